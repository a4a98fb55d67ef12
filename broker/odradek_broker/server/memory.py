"""The budget of memory for requests that are still arriving.

Every connection has a small buffer of its own; what a large frame needs beyond that is taken from here, piece by piece
as its bytes come, and given back when the connection falls quiet, or at once where others wait. Who asks for more than
is to be had waits its turn.

Invariants
    All connections of one address together come to hold no more than is then left for the other addresses; and one
    connection no more than an eighth of what its address may then still take. So however many hold what they have,
    there is room for a newcomer's smaller frame: a hundred that hold all they can leave a megabyte to the next of the
    same address, and thirteen to one of another. (Switches share the memory of their queues so: dynamic thresholds.)
    Frames that have each come in part must not wait for each other for ever. So one at a time is outside of all this,
    with no more than its frame, until it gives back what it has.
    Of those who wait, the address that holds least comes first, and of one address whose frame lacks least, then who
    came first. Nobody overtakes within an address, so that a look at the queue costs an address each and not a
    connection.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from heapq import nsmallest
from operator import attrgetter

import trio

CONNECTIONS_TO_COME = 8
"""Of an address, each of which could still take as much as the one that takes now."""

ADDRESSES_AT_ONCE = 64
"""So many are looked at when memory is given back; the others come when these have theirs."""


class Share:
    """What one connection has of the budget."""

    def __init__(self, budget: MemoryBudget, address: str) -> None:
        self.address = address
        self.held_bytes = 0
        self._budget = budget

    @property
    def is_short(self) -> bool:
        """What is not needed is to be given back at once."""
        return self._budget.is_short

    @property
    def keeps_others_waiting(self) -> bool:
        """It is outside of the budget, and so nobody else can be before it has ended."""
        return self._budget.is_awaited(self)

    async def take(self, count: int, missing: int) -> None:
        """Wait until `count` bytes are to be had, and take them. `missing`: of the frame that they are for."""
        await self._budget.take(count, self, missing)

    def give_back(self) -> None:
        """All that is held, though it be nothing."""
        self._budget.give_back(self)


class _Waiter:
    def __init__(self, share: Share, count: int, missing: int) -> None:
        self.share = share
        self.count = count
        self.missing = missing
        self.admitted = trio.Event()


class MemoryBudget:
    """A number of bytes that connections share."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._inside_bytes = 0
        self._by_address: Counter[str] = Counter()
        self._waiting: dict[str, list[_Waiter]] = {}
        """By address; those of one sorted by what their frames lack."""
        self._outside: Share | None = None

    def share(self, address: str) -> Share:
        return Share(self, address)

    @property
    def used_bytes(self) -> int:
        return self._inside_bytes + (0 if self._outside is None else self._outside.held_bytes)

    @property
    def is_short(self) -> bool:
        """Somebody waits, or is outside of it."""
        return self._outside is not None or bool(self._waiting)

    def is_awaited(self, share: Share) -> bool:
        """Whether it is outside, and others wait."""
        return self._outside is share and bool(self._waiting)

    async def take(self, count: int, share: Share, missing: int) -> None:
        if self._outside is share or self._has_room(share, count):
            self._give(share, count)
            return
        waiter = _Waiter(share, count, missing)
        insort(self._waiting.setdefault(share.address, []), waiter, key=attrgetter("missing"))
        self._admit()
        try:
            await waiter.admitted.wait()
        finally:
            if not waiter.admitted.is_set():
                self._leave(waiter)

    def give_back(self, share: Share) -> None:
        if self._outside is share:
            self._outside = None
        else:
            self._count(share, -share.held_bytes)
        share.held_bytes = 0
        self._admit()

    def _has_room(self, share: Share, count: int) -> bool:
        left = self.capacity_bytes - self._inside_bytes - count
        of_address = left - self._by_address[share.address] - count
        return share.held_bytes + count <= of_address // CONNECTIONS_TO_COME

    def _give(self, share: Share, count: int) -> None:
        share.held_bytes += count
        if self._outside is not share:
            self._count(share, count)

    def _count(self, share: Share, count: int) -> None:
        self._inside_bytes += count
        self._by_address[share.address] += count
        if not self._by_address[share.address]:
            del self._by_address[share.address]

    def _admit(self) -> None:
        """Let go on who can; and first of all, if nobody is outside of the budget, one who then may be."""
        if self._waiting and self._outside is None:
            first = self._waiting[min(self._waiting, key=self._by_address.__getitem__)][0]
            self._count(first.share, -first.share.held_bytes)
            self._outside = first.share
            self._let_go_on(first)
        for address in nsmallest(ADDRESSES_AT_ONCE, self._waiting, key=self._by_address.__getitem__):
            queue = self._waiting[address]
            while queue and self._has_room(queue[0].share, queue[0].count):
                self._let_go_on(queue[0])

    def _let_go_on(self, waiter: _Waiter) -> None:
        self._leave(waiter)
        self._give(waiter.share, waiter.count)
        waiter.admitted.set()

    def _leave(self, waiter: _Waiter) -> None:
        queue = self._waiting[waiter.share.address]
        queue.remove(waiter)
        if not queue:
            del self._waiting[waiter.share.address]
