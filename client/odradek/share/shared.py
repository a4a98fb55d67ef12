"""A record in the hands of one member of a share group, and what the member says of it.

    accept     it is dealt with
    release    not now: somebody may have it again, until its deliveries are used up
    reject     nobody can deal with it, now or later
    renew      it takes longer: let it be ours from now on for as long as at first

As a scope: `async with shared as record:` accepts it where the block ends normally, and releases it where it does not.
What was said within the block counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

from odradek.record import Record
from odradek.share.verdicts import Verdict

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """What ShareConsumer hands out."""

    def __init__(
        self,
        record: Record[K, V],
        delivery_count: int,
        say: Callable[[Verdict], None],
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        self.record = record
        self.delivery_count = delivery_count
        """1 where nobody has had it before."""
        self.verdict: Verdict | None = None
        """What has been said; None as long as nothing has."""
        self._say = say
        self._renew = renew

    def accept(self) -> None:
        self._decide(Verdict.ACCEPT)

    def release(self) -> None:
        self._decide(Verdict.RELEASE)

    def reject(self) -> None:
        self._decide(Verdict.REJECT)

    async def renew(self) -> None:
        """Raises BrokerError where it is not ours any longer, and where the group does not allow it."""
        if self.verdict is not None:
            raise RuntimeError(f"the record was {self.verdict.name.lower()}ed already")
        await self._renew()

    def _decide(self, verdict: Verdict) -> None:
        if self.verdict is not None and self.verdict is not verdict:
            raise RuntimeError(f"it was said already what becomes of the record: {self.verdict.name.lower()}")
        if self.verdict is None:
            self.verdict = verdict
            self._say(verdict)

    async def __aenter__(self) -> Record[K, V]:
        return self.record

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.verdict is None:
            self._decide(Verdict.ACCEPT if error is None else Verdict.RELEASE)
