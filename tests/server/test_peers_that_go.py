"""Peers that close their end while a request of theirs waits: nothing is waited for on their behalf any more.

All of it over real sockets; no clock moves here, so that no deadline ends anything.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek_broker.metadata.messages import FollowMetadataRequest
from odradek_broker.ports.hang_ups import HangUps
from tests.server.failing_disk import PATIENCE_SECONDS, FailingDisk
from tests.server.served_broker import HandClock, Peer, Served, fetch, frame_of, produce, serving

FOR_EVER_MS = 2**31 - 1


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, clock=HandClock(), group_initial_rebalance_delay_ms="600000") as broker:
        yield broker


async def has_gone(served: Served, *, left: int = 0) -> None:
    with trio.fail_after(5):
        while served.connection_count > left:
            await trio.testing.wait_all_tasks_blocked(0.001)


async def send_and_go(served: Served, request: bytes) -> None:
    """What waits, waits; then its peer goes."""
    peer = await served.connect()
    await peer.stream.send_all(request)
    await wait_all_tasks_blocked()
    before = served.connection_count
    await peer.stream.aclose()
    await has_gone(served, left=before - 1)


async def are_there(peer: Peer, *values: bytes) -> None:
    """Now, or when the disk has them."""
    with trio.fail_after(5):
        while await peer.values() != [*values]:
            await wait_all_tasks_blocked()


async def test_a_long_poll_ends_with_its_connection(served: Served) -> None:
    await (await served.connect()).make_topic()
    await send_and_go(served, frame_of(fetch(0, max_wait_ms=FOR_EVER_MS), 11))


async def test_a_long_poll_ends_also_where_unread_requests_are_behind_it(served: Served) -> None:
    await (await served.connect()).make_topic()
    behind = frame_of(ApiVersionsRequest(), 0, 2) + b"half a"
    await send_and_go(served, frame_of(fetch(0, max_wait_ms=FOR_EVER_MS), 11) + behind)


async def test_a_follower_of_the_metadata_is_forgotten_with_its_connection(served: Served) -> None:
    request = FollowMetadataRequest(
        9, served.broker.image.offset + 1, FOR_EVER_MS, cluster_id=served.broker.directory.cluster_id
    )
    await send_and_go(served, frame_of(request, 0))


async def test_a_member_that_waits_for_its_group_is_not_answered_once_it_has_gone(served: Served) -> None:
    await (await served.connect()).make_topic("__consumer_offsets")
    long = 1_800_000
    join = JoinGroupRequest("g", long, long, "", None, "consumer", [JoinGroupRequestProtocol("range", b"")])
    await send_and_go(served, frame_of(join, 3))


async def test_a_produce_that_waits_ends_with_its_connection_and_its_records_stay(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk, clock=HandClock()) as served:
        neighbour = await served.connect()
        await neighbour.make_topic()
        with disk.syncs_held("t-0") as begun:
            peer = await served.connect()
            await peer.send(produce(b"kept"), 9)
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE_SECONDS)
            await peer.stream.aclose()
            await has_gone(served, left=1)
        await are_there(neighbour, b"kept")


async def test_requests_that_want_no_answer_are_carried_out_though_their_peer_has_gone(served: Served) -> None:
    """Also behind one that would wait: it is begun, and given up."""
    neighbour = await served.connect()
    await neighbour.make_topic()
    wait = frame_of(fetch(0, max_wait_ms=FOR_EVER_MS), 11)
    writes = [frame_of(produce(value, acks=0), 9) for value in (b"one", b"two")]
    peer = await served.connect()
    await peer.stream.send_all(wait + writes[0] + wait + writes[1])
    await peer.stream.aclose()
    await has_gone(served, left=1)
    await are_there(neighbour, b"one", b"two")


async def test_who_closes_one_direction_is_answered_what_can_be_answered_at_once(served: Served) -> None:
    peer = await served.connect()
    await peer.send(ApiVersionsRequest(), 0)
    await peer.stream.send_eof()
    assert await peer.stream.receive_some(1)
    await has_gone(served)


@pytest.mark.parametrize("looks_again", [False, True], ids=["told by the system", "looked at"])
async def test_a_hang_up_is_told_once_and_nobody_is_told_of_one_that_was_forgotten(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock, looks_again: bool
) -> None:
    if looks_again:
        monkeypatch.delattr("select.epoll", raising=False)
    hang_ups, told = HangUps(), []
    pairs = [socket.socketpair() for _ in range(3)]
    for number, (ours, _) in enumerate(pairs):
        ours.setblocking(False)
        hang_ups.watch(ours, lambda number=number: told.append(number))  # type: ignore[misc]
    hang_ups.forget(pairs[1][0])
    nursery.start_soon(hang_ups.run)
    for _, theirs in pairs[:2]:
        theirs.close()
    for _ in range(3):
        await trio.sleep(1.1)
    assert told == [0]
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    nursery.cancel_scope.cancel()


async def test_who_has_closed_one_direction_gets_answers_in_order_up_to_the_first_that_is_left_out(
    served: Served,
) -> None:
    """One that can be given at once does not overtake those that wait for the disk."""
    await (await served.connect()).make_topic()
    end = ListOffsetsRequest(topics=[ListOffsetsTopic("t", [ListOffsetsPartition(0, -1, -1)])])
    asked = [*(frame_of(produce(b"a"), 9, number) for number in range(5)), frame_of(end, 4, 5)]
    asked += [frame_of(ApiVersionsRequest(), 0, 6), frame_of(end, 4, 7)]
    for _ in range(20):
        stream = (await served.connect()).stream
        await stream.send_all(b"".join(asked))
        await stream.send_eof()
        with trio.fail_after(5):
            received = b"".join([piece async for piece in stream])
        answered, at = [], 0
        while at < len(received):
            size, number = struct.unpack_from(">ii", received, at)
            answered.append(number)
            at += 4 + size
        assert answered == list(range(len(answered)))
