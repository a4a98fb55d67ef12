"""A stop answers what has been asked, and does not wait for those who have asked for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek_broker.apis import api_03_metadata
from odradek_broker.loop import defects
from tests.server.failing_disk import PATIENCE_SECONDS, FailingDisk
from tests.server.served_broker import Served, fetch, produce, serving


async def has_stopped(served: Served) -> None:
    with trio.fail_after(5):
        await served.stop()
    assert served.connection_count == 0
    with pytest.raises(OSError):
        await trio.open_tcp_stream("127.0.0.1", served.port)


async def test_a_produce_at_work_is_answered_before_the_broker_stops(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk) as served, trio.open_nursery() as nursery:
        peer, idle = await served.connect(), await served.connect()
        await peer.make_topic()
        assert await idle.is_answered()
        with disk.syncs_held("t-0") as begun:
            await peer.send(produce(b"at work"), 9)
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE_SECONDS)
            nursery.start_soon(served.stop)
            await wait_all_tasks_blocked()
            assert await idle.is_closed()
            assert served.connection_count == 1, "only who is owed an answer is still there"
        assert (await peer.receive_produced()).error_code == ErrorCode.NONE
        assert await peer.is_closed()
    assert (tmp_path / ".kafka_cleanshutdown").exists()


async def test_a_long_poll_is_answered_with_what_there_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reader = await served.connect()
        await reader.make_topic()
        await reader.send(fetch(0, max_wait_ms=600_000), 11)
        await wait_all_tasks_blocked()
        await has_stopped(served)
        _, fetched = await reader.receive(FetchResponse, 11)
        assert fetched.responses[0].partitions[0].error_code == ErrorCode.NONE


async def test_members_that_wait_for_their_group_are_sent_to_another_coordinator(tmp_path: Path) -> None:
    async with serving(tmp_path, group_initial_rebalance_delay_ms="600000") as served:
        member = await served.connect()
        await member.make_topic("__consumer_offsets")
        protocols = [JoinGroupRequestProtocol("range", b"")]
        await member.send(JoinGroupRequest("g", 30_000, 30_000, "", None, "consumer", protocols), 3)
        await wait_all_tasks_blocked()
        await has_stopped(served)
        assert (await member.receive(JoinGroupResponse, 3))[1].error_code == ErrorCode.NOT_COORDINATOR


async def test_a_defect_in_one_request_closes_one_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(api_03_metadata, "handle", defect)
    async with serving(tmp_path) as served:
        peer, neighbour = await served.connect(), await served.connect()
        await peer.send(MetadataRequest([MetadataRequestTopic(name="t")], True), 9)
        assert await peer.is_closed()
        assert await neighbour.is_answered()
    assert "KeyError: 'a defect'" in caplog.text


async def test_a_defect_in_a_request_is_raised_where_somebody_looks_for_defects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(api_03_metadata, "handle", defect)
    monkeypatch.setattr(defects, "are_survived", False)
    with pytest.raises(BaseExceptionGroup) as raised:
        async with serving(tmp_path) as served:
            peer = await served.connect()
            await peer.send(MetadataRequest([MetadataRequestTopic(name="t")], True), 9)
            await peer.is_closed()
    assert raised.group_contains(KeyError)
