"""Large frames of many peers share a small budget: they wait for each other, never for ever."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchRequest, FetchTopic
from odradek_broker.server.connection import SHRINK_AFTER_MS
from odradek_broker.server.memory import MemoryBudget
from odradek_broker.server.progress import DEADLINE_MS, HURRIED_DEADLINE_MS
from tests.server.served_broker import HandClock, Peer, Served, fetch, frame_of, produce, serving

KIB = 1024
BUDGET = 256 * KIB
VALUE = bytes(200 * KIB)
FRAME = frame_of(produce(VALUE), 9)
SMALL_BUDGET = {"queued_max_request_bytes": str(BUDGET), "socket_request_max_bytes": str(BUDGET)}


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was in use after each time that a connection took some."""
    seen: list[int] = []
    take = MemoryBudget.take

    async def watched(budget: MemoryBudget, *arguments: object) -> None:
        await take(budget, *arguments)  # type: ignore[arg-type]
        seen.append(budget.used_bytes)

    monkeypatch.setattr(MemoryBudget, "take", watched)
    return seen


class Sender:
    """A peer that sends one large frame after another, each in two parts."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._begun = trio.Event()

    async def begin(self, length: int) -> None:
        """Where the broker does not read it, this waits."""
        await self.peer.stream.send_all(FRAME[:length])
        self._begun.set()

    async def end(self, length: int) -> None:
        """Send what is missing, and see it answered."""
        await self._begun.wait()
        self._begun = trio.Event()
        await self.peer.stream.send_all(FRAME[length:])
        assert (await self.peer.receive_produced()).error_code == ErrorCode.NONE


async def begin_all(served: Served, nursery: trio.Nursery, count: int, length: int) -> list[Sender]:
    senders = [Sender(await served.connect()) for _ in range(count)]
    for sender in senders:
        nursery.start_soon(sender.begin, length)
    await wait_all_tasks_blocked()
    return senders


async def end_all(senders: list[Sender], length: int) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for sender in senders:
                nursery.start_soon(sender.end, length)


@pytest.mark.parametrize("begun_bytes", [5, 20 * KIB, 100 * KIB, len(FRAME) - 1])
async def test_frames_that_together_exceed_the_budget_are_all_answered(
    tmp_path: Path, begun_bytes: int, peaks: list[int]
) -> None:
    """However far each of them has come when the memory is used up."""
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SMALL_BUDGET) as served, trio.open_nursery() as nursery:
        await (await served.connect()).make_topic()
        await end_all(await begin_all(served, nursery, 12, begun_bytes), begun_bytes)
        assert max(peaks) <= BUDGET + len(FRAME), "more than the budget and the one frame that may exceed it"
        await wait_all_tasks_blocked()
        clock.advance(SHRINK_AFTER_MS)
        served.tick()
        assert served.memory.used_bytes == 0


async def test_the_same_peers_can_go_on_sending_large_frames(tmp_path: Path, peaks: list[int]) -> None:
    """Nobody keeps the memory of its last frame while others wait for it; time stands still here."""
    async with serving(tmp_path, clock=HandClock(), **SMALL_BUDGET) as served, trio.open_nursery() as nursery:
        await (await served.connect()).make_topic()
        senders = await begin_all(served, nursery, 4, 100)
        for _ in range(5):
            await end_all(senders, 100)
            for sender in senders:
                nursery.start_soon(sender.begin, 100)
        await end_all(senders, 100)
        assert max(peaks) <= BUDGET + len(FRAME)


async def test_small_frames_pass_while_large_ones_wait(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=HandClock(), **SMALL_BUDGET) as served, trio.open_nursery() as nursery:
        neighbour = await served.connect()
        await neighbour.make_topic()
        await begin_all(served, nursery, 12, len(FRAME) - 1)
        assert await neighbour.is_answered()
        assert (await neighbour.produce(produce(b"small"))).error_code == ErrorCode.NONE
        nursery.cancel_scope.cancel()


async def test_who_waits_for_memory_outlives_those_who_hold_it_and_stand_still(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SMALL_BUDGET) as served, trio.open_nursery() as nursery:
        honest = await served.connect()
        await honest.make_topic()
        await begin_all(served, nursery, 12, 150 * KIB)
        nursery.start_soon(honest.stream.send_all, FRAME)
        for _ in range(13):  # the hostile ones may get their turns one by one, and each stands still in its own
            await wait_all_tasks_blocked()
            clock.advance(DEADLINE_MS)
            served.tick()
        assert (await honest.receive_produced()).error_code == ErrorCode.NONE
        assert served.connection_count == 1


async def test_connections_that_end_inside_of_a_frame_give_their_memory_back(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=HandClock(), **SMALL_BUDGET) as served, trio.open_nursery() as nursery:
        senders = await begin_all(served, nursery, 12, 150 * KIB)
        assert served.memory.used_bytes > 0
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True), trio.fail_after(5):
            for sender in senders:
                await trio.aclose_forcefully(sender.peer.stream)
            while served.connection_count:
                await wait_all_tasks_blocked()
            assert served.memory.used_bytes == 0


async def test_the_announcement_of_a_large_frame_takes_no_memory(tmp_path: Path) -> None:
    async with serving(tmp_path, **SMALL_BUDGET) as served:
        for _ in range(20):
            await (await served.connect()).stream.send_all(struct.pack(">i", BUDGET))
        await wait_all_tasks_blocked()
        assert served.connection_count == 20
        assert served.memory.used_bytes == 0


async def test_a_request_that_waits_gives_back_the_memory_of_its_frame_unless_it_needs_it(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock) as served:
        reader = await served.connect()
        await reader.make_topic()
        wait = fetch(0, max_wait_ms=2**31 - 1)
        many = FetchRequest(
            max_wait_ms=wait.max_wait_ms,
            min_bytes=1,
            topics=[FetchTopic("t", partitions=[*wait.topics[0].partitions])] * 500,
        )
        await reader.send(many, 11)
        await wait_all_tasks_blocked()
        assert served.memory.used_bytes > 0
        with trio.fail_after(60):
            while served.memory.used_bytes > 0:  # it is being read, slice by slice, before it waits
                clock.advance(SHRINK_AFTER_MS)
                served.tick()
                await trio.sleep(0.001)


async def test_who_may_exceed_the_budget_and_is_slow_has_to_make_way_for_those_who_wait(tmp_path: Path) -> None:
    """It would have its time, if nobody waited."""
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **SMALL_BUDGET) as served, trio.open_nursery() as nursery:
        slow, honest = await served.connect(), await served.connect()
        await slow.make_topic()
        await slow.stream.send_all(FRAME[: len(FRAME) - 10])
        for _ in range(9):
            await wait_all_tasks_blocked()
            clock.advance(HURRIED_DEADLINE_MS)
            await slow.stream.send_all(b"0")
        served.tick()
        assert served.connection_count == 2
        nursery.start_soon(honest.stream.send_all, FRAME)
        for _ in range(2):
            await wait_all_tasks_blocked()
            served.tick()
            clock.advance(HURRIED_DEADLINE_MS)
        served.tick()
        assert (await honest.receive_produced()).error_code == ErrorCode.NONE
        assert served.connection_count == 1
