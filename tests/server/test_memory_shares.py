"""Who gets memory for a large frame, who waits, and in which order: a list of calls for each story."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek_broker.server.memory import MemoryBudget, Share

CAPACITY = 256_000
PIECE = 1_000
LARGEST = 100_000


@pytest.fixture
def budget() -> MemoryBudget:
    return MemoryBudget(CAPACITY)


Take = Callable[[Share, int], None]


@pytest.fixture
def take(nursery: trio.Nursery) -> Take:
    """Ask for so many bytes, and leave it at that."""
    return lambda share, count: nursery.start_soon(share.take, count, count)


async def fill(budget: MemoryBudget, count: int, nursery: trio.Nursery, *, addresses: int = 1) -> list[Share]:
    """So many connections take all that they can get, piece by piece, and end nothing."""

    async def take_all(hog: Share) -> None:
        while hog.held_bytes < LARGEST:
            await hog.take(PIECE, LARGEST - hog.held_bytes)
            await trio.lowlevel.checkpoint()

    hogs = [budget.share(f"10.0.0.{number % addresses}") for number in range(count)]
    for hog in hogs:
        nursery.start_soon(take_all, hog)
    await wait_all_tasks_blocked()
    return hogs


@pytest.mark.parametrize("count", [1, 3, 30, 100])
@pytest.mark.parametrize("addresses", [1, 3])
async def test_however_many_hold_all_they_can_a_newcomer_has_room(
    budget: MemoryBudget, nursery: trio.Nursery, count: int, addresses: int
) -> None:
    hogs = await fill(budget, count, nursery, addresses=addresses)
    assert budget.used_bytes <= CAPACITY + LARGEST, "more than the budget and the one frame that may exceed it"
    same, other = budget.share(hogs[0].address), budget.share("10.1.1.1")
    with trio.fail_after(1):
        await same.take(CAPACITY // 4 // (count + 8) // 8, LARGEST)
        await other.take(CAPACITY // 80, LARGEST)
    nursery.cancel_scope.cancel()


async def test_one_address_takes_no_more_than_it_leaves_to_others(budget: MemoryBudget, nursery: trio.Nursery) -> None:
    hogs = await fill(budget, 200, nursery)
    most = max(hog.held_bytes for hog in hogs)
    assert sum(hog.held_bytes for hog in hogs) - most <= CAPACITY // 2, "all but the one that may exceed"
    nursery.cancel_scope.cancel()


async def test_when_the_one_that_is_outside_has_ended_whose_frame_lacks_least_is_next(
    budget: MemoryBudget, take: Take, nursery: trio.Nursery
) -> None:
    first, greedy, modest = (budget.share("10.0.0.1") for _ in range(3))
    await first.take(LARGEST, LARGEST)
    take(greedy, LARGEST)
    await wait_all_tasks_blocked()
    take(modest, LARGEST // 2)
    await wait_all_tasks_blocked()
    assert (greedy.held_bytes, modest.held_bytes) == (0, 0)
    assert first.keeps_others_waiting
    first.give_back()
    await wait_all_tasks_blocked()
    assert (greedy.held_bytes, modest.held_bytes) == (0, LARGEST // 2)
    nursery.cancel_scope.cancel()


async def test_an_address_that_holds_less_goes_first(budget: MemoryBudget, take: Take, nursery: trio.Nursery) -> None:
    first, second, other = budget.share("10.0.0.1"), budget.share("10.0.0.1"), budget.share("10.0.0.2")
    await first.take(LARGEST, LARGEST)
    await budget.share("10.0.0.1").take(PIECE, PIECE)
    take(second, LARGEST)
    take(other, LARGEST)
    await wait_all_tasks_blocked()
    first.give_back()
    await wait_all_tasks_blocked()
    assert (second.held_bytes, other.held_bytes) == (0, LARGEST)
    nursery.cancel_scope.cancel()


async def test_who_stops_waiting_leaves_its_place_to_others(
    budget: MemoryBudget, take: Take, nursery: trio.Nursery
) -> None:
    first, second, third = (budget.share("10.0.0.1") for _ in range(3))
    await first.take(LARGEST, LARGEST)
    with trio.move_on_after(0):
        await second.take(LARGEST, LARGEST)
    take(third, LARGEST)
    await wait_all_tasks_blocked()
    first.give_back()
    await wait_all_tasks_blocked()
    assert (second.held_bytes, third.held_bytes) == (0, LARGEST)
    third.give_back()
    assert budget.used_bytes == 0 and not budget.is_short
