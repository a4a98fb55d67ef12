"""Who waits for what has been appended: until all in sync have it, or until this broker's own disk has it.

A wait begins with the append, in the same go, and is settled once, as a value, in the moment in which that becomes
true or can no longer be said here. Whoever asks later reads what it was settled to; nobody ever compares an offset with
a high watermark of later, which may be about another leader's record at that offset.

Invariants
    All that is open belongs to one unbroken leadership: a partition fails what is open whenever it may have been
    deposed, and begins nothing before it leads again.
    What is open is sorted by offset. What nobody waits for any more is not open.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from operator import attrgetter

import trio

from odradek.protocol.errors import ErrorCode

_BY_OFFSET = attrgetter("last_offset")


class Commit:
    """One wait, for everything up to `last_offset`. The event is made only for somebody who really awaits it."""

    __slots__ = ("_event", "_open", "last_offset", "outcome")

    def __init__(self, last_offset: int, outcome: ErrorCode | None = None) -> None:
        self.last_offset = last_offset
        self.outcome = outcome
        """NONE once it is true, why not where that will not be seen here, None while it is open."""
        self._open: Commits | None = None
        self._event: trio.Event | None = None

    async def wait(self) -> ErrorCode:
        """What it was settled to."""
        while self.outcome is None:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
        return self.outcome

    def leave(self) -> None:
        """Nobody waits for it any more. Nothing, where it is settled."""
        if self._open is not None:
            self._open.leave(self)

    def settle(self, outcome: ErrorCode) -> None:
        self.outcome = outcome
        self._open = None
        if self._event is not None:
            self._event.set()


class Commits:
    """Those of one kind that are open at a partition."""

    def __init__(self) -> None:
        self._open: list[Commit] = []

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, last_offset: int) -> Commit:
        commit = Commit(last_offset)
        commit._open = self
        if not self._open or self._open[-1].last_offset <= last_offset:
            self._open.append(commit)
        else:  # the retry of a batch that is in the log already
            insort(self._open, commit, key=_BY_OFFSET)
        return commit

    def reached(self, end_offset: int) -> None:
        """It is true of all before that offset."""
        if self._open and self._open[0].last_offset < end_offset:
            count = bisect_left(self._open, end_offset, key=_BY_OFFSET)
            done = self._open[:count]
            del self._open[:count]
            for commit in done:
                commit.settle(ErrorCode.NONE)

    def fail(self, error: ErrorCode) -> None:
        """It will not be seen here."""
        failed, self._open = self._open, []
        for commit in failed:
            commit.settle(error)

    def leave(self, commit: Commit) -> None:
        index = bisect_left(self._open, commit.last_offset, key=_BY_OFFSET)
        while self._open[index] is not commit:
            index += 1
        del self._open[index]
        commit._open = None
