"""Who may come in, and for whom somebody else has to go.

No await here. Two limits: on all connections (max.connections) and on those of one address (max.connections.per.ip, or
what max.connections.per.ip.overrides says of it).

Invariants
    Who comes by the brokers' own listener, where that is not the clients' too, comes in and counts nowhere.
    A full house is shared by address: who comes from an address that has at least two connections fewer than the one
    that has most takes the place of that one's longest idle connection. So no client can keep brokers, or the others,
    out. Within an address who is in stays in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar


class Guest(Protocol):
    """A connection."""

    active_ms: int
    """When bytes have last come or gone."""


G = TypeVar("G", bound=Guest)


class Door(Generic[G]):
    """Of one process."""

    def __init__(self) -> None:
        self.limits: Mapping[str, int] = {}
        """Of single addresses."""
        self._inside: dict[str, set[G]] = {}
        self.count = 0

    def refuse(self, address: str, most_of_address: int) -> str | None:
        """What speaks against one more of that address, whoever else is there."""
        most = self.limits.get(address, most_of_address)
        return f"its address has {most} connections already" if self._count_of(address) >= most else None

    def has_place(self, most: int) -> bool:
        return self.count < most

    def whose_place(self, address: str) -> G | None:
        """Who has to go for one of that address, where the house is full; None where that one has to stay outside."""
        greediest = max(self._inside, key=self._count_of, default=None)
        if greediest is None or self._count_of(greediest) < self._count_of(address) + 2:
            return None
        return min(self._inside[greediest], key=lambda guest: guest.active_ms)

    def enter(self, address: str, guest: G) -> None:
        self._inside.setdefault(address, set()).add(guest)
        self.count += 1

    def leave(self, address: str, guest: G) -> None:
        """Nothing, where it has left already, or was never counted."""
        of_address = self._inside.get(address, set())
        if guest in of_address:
            of_address.remove(guest)
            self.count -= 1
            if not of_address:
                del self._inside[address]

    def _count_of(self, address: str) -> int:
        return len(self._inside.get(address, ()))
