"""Peers that stand still in the middle of a frame, or take no answers: they lose their connection, and nobody else.
Those that are slow keep theirs.

Time is a clock in the test's hand, and `tick` is what the server does once a second.
"""

from __future__ import annotations

import struct
from pathlib import Path

import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.fetch import FetchResponse
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.server.connection import SHRINK_AFTER_MS
from odradek_broker.server.progress import DEADLINE_MS, LEAST_BYTES
from tests.server.served_broker import HandClock, Peer, Served, fetch, frame_of, produce, produce_batch, serving

BIG_BYTES = 12 * 1024 * 1024
"""More than the buffers of a connection take in, at both ends."""

SMALL_WINDOW_BYTES = 4096


async def pass_time(served: Served, clock: HandClock, milliseconds: int) -> None:
    """All that was sent is received; then it is later, and the server looks at its connections."""
    await wait_all_tasks_blocked()
    clock.advance(milliseconds)
    served.tick()
    await wait_all_tasks_blocked()


async def write_big_batch(peer: Peer) -> None:
    await peer.make_topic(max_message_bytes=str(2 * BIG_BYTES))
    batch = build_batch([Record(timestamp=1, value=bytes(BIG_BYTES))])
    assert (await peer.produce(produce_batch(batch))).error_code == ErrorCode.NONE


async def test_a_frame_that_comes_byte_by_byte_and_never_ends_closes_its_connection(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        slow, neighbour = await served.connect(), await served.connect()
        await slow.stream.send_all(struct.pack(">i", 1000))
        steps = 10
        for step in range(1, steps + 1):
            await slow.stream.send_all(b"\0")
            await pass_time(served, clock, DEADLINE_MS // steps)
            assert await neighbour.is_answered()
            assert served.connection_count == (1 if step == steps else 2)
        assert await slow.is_closed()


async def test_a_slow_frame_that_ends_in_time_is_answered(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        slow = await served.connect()
        frame = frame_of(ApiVersionsRequest(), 0)
        for _ in range(3):  # each frame has its own deadline
            for byte in frame:
                await slow.stream.send_all(bytes([byte]))
                await pass_time(served, clock, DEADLINE_MS // (len(frame) + 1))
            with trio.fail_after(5):
                await slow.receive(ApiVersionsResponse, 0)


async def test_half_a_frame_behind_a_whole_one_has_its_own_deadline(tmp_path: Path) -> None:
    """While the broker is at work on the first it does not read: that is not the peer's fault."""
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        reader, writer = await served.connect(), await served.connect()
        await writer.make_topic()
        following = frame_of(ApiVersionsRequest(), 0, 7)
        await reader.stream.send_all(frame_of(fetch(0, max_wait_ms=60_000), 11) + following[:6])
        await pass_time(served, clock, 2 * DEADLINE_MS)
        await writer.produce(produce(b"now"))
        with trio.fail_after(5):
            await reader.receive(FetchResponse, 11)
        await pass_time(served, clock, DEADLINE_MS - 1)
        await reader.stream.send_all(following[6:])
        with trio.fail_after(5):
            assert (await reader.receive(ApiVersionsResponse, 0))[0] == 7


async def test_a_peer_that_reads_nothing_of_a_big_answer_is_closed(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        neighbour, deaf = await served.connect(), await served.connect(window_bytes=SMALL_WINDOW_BYTES)
        await write_big_batch(neighbour)
        await deaf.send(fetch(0, max_bytes=2 * BIG_BYTES), 11)
        await pass_time(served, clock, DEADLINE_MS - 1)
        assert await neighbour.is_answered()
        assert served.connection_count == 2
        await pass_time(served, clock, 1)
        assert await neighbour.is_answered()
        assert served.connection_count == 1
        assert await deaf.is_closed()


async def test_a_peer_that_asks_and_asks_and_reads_no_answer_is_closed(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        neighbour, deaf = await served.connect(), await served.connect(window_bytes=SMALL_WINDOW_BYTES)
        await write_big_batch(neighbour)
        requests = frame_of(ApiVersionsRequest(), 0) * 5000 + frame_of(fetch(0, max_bytes=2 * BIG_BYTES), 11) * 100
        with trio.move_on_after(0.2):  # it blocks: the broker does not read on for as long as it cannot answer
            await deaf.stream.send_all(requests)
        await pass_time(served, clock, DEADLINE_MS)
        assert await neighbour.is_answered()
        assert served.connection_count == 1


async def test_an_answer_that_was_long_in_coming_has_its_deadline_from_when_it_is_sent(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        writer, reader = await served.connect(), await served.connect(window_bytes=SMALL_WINDOW_BYTES)
        await writer.make_topic(max_message_bytes=str(2 * BIG_BYTES))
        await reader.send(fetch(0, max_wait_ms=60_000, max_bytes=2 * BIG_BYTES), 11)
        await pass_time(served, clock, 2 * DEADLINE_MS)
        batch = build_batch([Record(timestamp=1, value=bytes(BIG_BYTES))])
        assert (await writer.produce(produce_batch(batch))).error_code == ErrorCode.NONE
        await pass_time(served, clock, DEADLINE_MS - 1)
        with trio.fail_after(10):
            _, fetched = await reader.receive(FetchResponse, 11)
        assert len(fetched.responses[0].partitions[0].records or b"") == len(batch)


async def test_a_peer_that_is_silent_between_frames_is_closed_when_it_was_idle_for_long(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, connections_max_idle_ms="100000") as served:
        idle, poller = await served.connect(), await served.connect()
        assert await idle.is_answered()
        await poller.make_topic()
        await poller.send(fetch(0, max_wait_ms=600_000), 11)
        await pass_time(served, clock, 99_999)
        assert served.connection_count == 2
        await pass_time(served, clock, 1)
        assert await idle.is_closed()
        assert served.connection_count == 1, "who waits for an answer of ours is not idle"


async def test_a_connection_that_has_given_its_memory_back_is_still_understood(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        peer = await served.connect()
        await peer.make_topic()
        for _ in range(3):
            assert (await peer.produce(produce(bytes(100_000)))).error_code == ErrorCode.NONE
            assert served.memory.used_bytes > 0
            await pass_time(served, clock, SHRINK_AFTER_MS)
            assert served.memory.used_bytes == 0
            assert await peer.is_answered()


async def take_slowly(served: Served, clock: HandClock, reader: Peer, step_bytes: int, steps: int) -> int:
    """Let nearly a deadline pass before each step; return how many bytes came before the connection was closed."""
    taken = 0
    for _ in range(steps):
        await pass_time(served, clock, DEADLINE_MS - 1)
        left = step_bytes
        while left and (piece := await reader.stream.receive_some(left)):
            left -= len(piece)
            taken += len(piece)
        if left:
            break
    return taken


async def test_a_reader_that_takes_a_big_answer_slowly_gets_all_of_it(tmp_path: Path) -> None:
    """Each deadline counts from the last progress: it takes many of them, and never lets one pass."""
    clock = HandClock()
    async with serving(tmp_path, clock=clock, connections_max_idle_ms=str(2**40)) as served:
        writer, reader = await served.connect(), await served.connect(window_bytes=SMALL_WINDOW_BYTES)
        await write_big_batch(writer)
        await reader.send(fetch(0, max_bytes=2 * BIG_BYTES), 11)
        with trio.fail_after(30):
            assert await take_slowly(served, clock, reader, BIG_BYTES // 32, 32) == BIG_BYTES
        assert served.connection_count == 2


async def test_a_reader_that_takes_next_to_nothing_at_a_time_is_closed(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        writer, reader = await served.connect(), await served.connect(window_bytes=SMALL_WINDOW_BYTES)
        await write_big_batch(writer)
        await reader.send(fetch(0, max_bytes=2 * BIG_BYTES), 11)
        for _ in range(10):
            await pass_time(served, clock, DEADLINE_MS // 2)
            if served.connection_count == 1:
                break
            await reader.stream.receive_some(100)
        assert served.connection_count == 1


async def test_a_big_frame_that_comes_slowly_but_steadily_is_answered(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        writer = await served.connect()
        await writer.make_topic()
        frame = frame_of(produce(bytes(20 * LEAST_BYTES)), 9)
        for at in range(0, len(frame), LEAST_BYTES):
            await writer.stream.send_all(frame[at : at + LEAST_BYTES])
            await pass_time(served, clock, DEADLINE_MS - 1)
        assert (await writer.receive_produced()).error_code == ErrorCode.NONE


async def test_idle_connections_are_kept_for_ever_where_that_is_asked_for(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, connections_max_idle_ms="-1") as served:
        idle = await served.connect()
        assert await idle.is_answered()
        await pass_time(served, clock, 2**40)
        assert await idle.is_answered()
