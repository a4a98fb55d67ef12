"""The last rebalances of a group: why each began, who caused it, and what came of it.

Kept in memory by whoever coordinates the group, from when it does; the next coordinator begins anew. A group keeps MOST
of them, and of what a client has to say of itself no more than MOST_CHARACTERS.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from msgspec import Struct

MOST = 20
MOST_CHARACTERS = 200
UNKNOWN = -1


class Person(Protocol):
    """A member of any kind of group."""

    @property
    def member_id(self) -> str: ...

    @property
    def client_id(self) -> str: ...

    @property
    def client_host(self) -> str: ...


class Cause(Struct, frozen=True):
    """Why a group rebalances."""

    what: str
    """A sentence without its subject, the member; with it where no member did anything."""
    member_id: str = ""
    client_id: str = ""
    client_host: str = ""

    @classmethod
    def by(cls, member: Person, what: str, reason: str | None = None) -> Cause:
        """`reason`: the member's own (KIP-800)."""
        said = what if not reason else f"{what}: {reason}"
        return cls(_short(said), _short(member.member_id), _short(member.client_id), _short(member.client_host))


class Rebalance(Struct):
    """One of them."""

    cause: Cause
    began_ms: int
    """By the wall clock."""
    generation: int = UNKNOWN
    """That it has brought: in a group of the consumer protocol, the group's epoch."""
    took_ms: int = UNKNOWN
    """-1 while it goes on."""
    member_count: int = 0
    """When it ended."""


class History:
    """Of one group. The oldest comes first."""

    __slots__ = ("_rebalances",)

    def __init__(self) -> None:
        self._rebalances: deque[Rebalance] = deque(maxlen=MOST)

    @property
    def rebalances(self) -> tuple[Rebalance, ...]:
        return tuple(self._rebalances)

    @property
    def current(self) -> Rebalance | None:
        """The one that goes on."""
        last = self._rebalances[-1] if self._rebalances else None
        return last if last is not None and last.took_ms == UNKNOWN else None

    def began(self, cause: Cause, wall_ms: int, generation: int = UNKNOWN) -> None:
        """One that still goes on ends where the next begins."""
        current = self.current
        if current is not None:
            current.took_ms = max(0, wall_ms - current.began_ms)
        self._rebalances.append(Rebalance(cause, wall_ms, generation))

    def ended(self, generation: int, member_count: int, wall_ms: int) -> None:
        """Nothing happens where none goes on, as after a coordinator has taken the group over."""
        current = self.current
        if current is not None:
            current.generation, current.member_count = generation, member_count
            current.took_ms = max(0, wall_ms - current.began_ms)


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
