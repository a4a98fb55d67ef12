"""Who has used more than the quota is told so, and is not read for as long; and nothing is measured without quotas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    AlterClientQuotasResponse,
    EntityData,
    OpData,
)
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.fetch import FetchResponse
from odradek.protocol.messages.produce import ProduceResponse
from odradek_broker.config import BrokerConfig
from odradek_broker.server import throttling
from odradek_broker.server.throttling import Meters
from tests.server.served_broker import HandClock, Peer, Served, fetch, produce, serving

SHORT = {"quota_window_num": "2", "controller_quota_window_num": "1"}
"""A rate is that over one second; what one second brings may be saved up."""
ANONYMOUS = [EntityData("user", "ANONYMOUS")]


async def set_quota(peer: Peer, key: str, value: float, entity: list[EntityData] | None = None) -> None:
    entry = AlterClientQuotasRequestEntryData(entity or ANONYMOUS, [OpData(key, value)])
    answer = await peer.ask(AlterClientQuotasRequest([entry]), AlterClientQuotasResponse, 1)
    assert answer.entries[0].error_code == 0, answer


async def is_read(served: Served, peer: Peer, clock: HandClock, after_ms: int) -> None:
    """A request is answered when so much time has passed, and not before."""
    await peer.send(ApiVersionsRequest(), 0)
    answered = trio.Event()

    async def receive() -> None:
        await peer.receive(ApiVersionsResponse, 0)
        answered.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        clock.advance(after_ms - 1)
        await trio.sleep(0.05)  # while the clock stands still, who waits for its last millisecond is never blocked
        assert not answered.is_set()
        clock.advance(1)
        with trio.fail_after(10):
            await answered.wait()


async def test_a_producer_is_told_and_not_read(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SHORT) as served:
        peer = await served.connect()
        await peer.make_topic()
        await set_quota(peer, "producer_byte_rate", 1000)
        await peer.send(produce(b"x" * 1100), 9)
        _, answer = await peer.receive(ProduceResponse, 9)
        assert answer.responses[0].partition_responses[0].error_code == 0
        assert 100 < answer.throttle_time_ms < 400
        await is_read(served, peer, clock, answer.throttle_time_ms)


async def test_however_small_a_quota_is_what_was_appended_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=HandClock(), **SHORT) as served:
        admin = await served.connect()
        await admin.make_topic()
        await set_quota(admin, "producer_byte_rate", 1)
        told = []
        for _ in range(6):  # one connection each, for none is read again
            peer = await served.connect()
            await peer.send(produce(b"x" * 900_000), 9)
            told.append((await peer.receive(ProduceResponse, 9))[1].throttle_time_ms)
        assert told[0] < told[-1] == 2**31 - 1


async def test_a_producer_that_says_nothing_more_after_that_is_closed_as_any_other(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, connections_max_idle_ms="60000", **SHORT) as served:
        peer = await served.connect()
        await peer.make_topic()
        await set_quota(peer, "producer_byte_rate", 1000)
        await peer.send(produce(b"x" * 1100), 9)
        _, answer = await peer.receive(ProduceResponse, 9)
        assert answer.throttle_time_ms
        await wait_all_tasks_blocked(0.02)
        clock.advance(60_001)
        served.tick()
        await wait_all_tasks_blocked(0.02)
        assert served.connection_count == 0


async def test_a_producer_that_wants_no_answer_is_not_read_either(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SHORT) as served:
        peer = await served.connect()
        await peer.make_topic()
        await set_quota(peer, "producer_byte_rate", 1000)
        size = await peer.send(produce(b"x" * 1100, acks=0), 9)
        await wait_all_tasks_blocked(0.02)
        (connection,) = served._server._connections
        await is_read(served, peer, clock, connection._muted_until_ms - clock.monotonic_ms())
        assert size is None


async def test_a_reader_is_held_to_the_bytes_that_it_gets(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SHORT) as served:
        peer = await served.connect()
        await peer.make_topic()
        await peer.produce(produce(b"x" * 1100))
        await set_quota(peer, "consumer_byte_rate", 1000, [EntityData("client-id", None)])
        answer = await peer.ask(fetch(0), FetchResponse, 11)
        assert 100 < answer.throttle_time_ms < 400
        await is_read(served, peer, clock, answer.throttle_time_ms)


async def test_connections_of_one_user_share_the_quota(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SHORT) as served:
        first, second = await served.connect(), await served.connect()
        await first.make_topic()
        await set_quota(first, "producer_byte_rate", 3000)
        answers: list[Any] = []
        for peer in (first, second, first):
            await peer.send(produce(b"x" * 1100), 9)
            answers.append((await peer.receive(ProduceResponse, 9))[1])
        assert [bool(each.throttle_time_ms) for each in answers] == [False, False, True]


async def test_changes_beyond_the_quota_are_refused_until_it_allows_more(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SHORT) as served:
        peer = await served.connect()
        await set_quota(peer, "controller_mutation_rate", 5)
        wanted = CreateTopicsRequest([CreatableTopic(name, 10, 1) for name in ("a", "b")])
        answer = await peer.ask(wanted, CreateTopicsResponse, 7)
        errors = {topic.name: topic.error_code for topic in answer.topics}
        assert errors == {"a": ErrorCode.NONE, "b": ErrorCode.THROTTLING_QUOTA_EXCEEDED}
        assert answer.throttle_time_ms == 1000
        clock.advance(1000)
        gone = DeleteTopicsRequest([DeleteTopicState("a")], timeout_ms=1000)
        deleted = await peer.ask(gone, DeleteTopicsResponse, 6)
        assert (deleted.responses[0].error_code, deleted.throttle_time_ms) == (ErrorCode.NONE, 2000)


async def test_an_older_client_is_served_and_throttled(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=HandClock(), **SHORT) as served:
        peer = await served.connect()
        await set_quota(peer, "controller_mutation_rate", 5)
        wanted = CreateTopicsRequest([CreatableTopic(name, 10, 1) for name in ("a", "b")])
        answer = await peer.ask(wanted, CreateTopicsResponse, 5)
        assert [topic.error_code for topic in answer.topics] == [0, 0]
        assert answer.throttle_time_ms == 3000


async def test_an_address_that_connects_too_often_is_turned_away(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=HandClock(), **SHORT) as served:
        peer = await served.connect()
        await set_quota(peer, "connection_creation_rate", 1, [EntityData("ip", "127.0.0.2")])
        first = await served.connect(address="127.0.0.2")
        assert await first.is_answered()
        second = await served.connect(address="127.0.0.2")
        assert await second.is_answered()
        assert await (await served.connect(address="127.0.0.2")).is_closed()
        assert await (await served.connect()).is_answered()


async def test_without_quotas_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling.Throttling, "usage", None)
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.make_topic()
        assert (await peer.produce(produce(b"x"))).error_code == 0


def test_who_was_silent_for_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "MAX_METERS", 2)
    meters, config = Meters(), BrokerConfig()
    first = meters.meter(("q", "a", ""), config)
    meters.meter(("q", "b", ""), config)
    assert meters.meter(("q", "a", ""), config) is first
    meters.meter(("q", "c", ""), config)
    assert meters.meter(("q", "a", ""), config) is first
    assert len(meters._kept) == 2
