"""Which brokers a new partition lives on.

Brokers stand in a ring in which neighbours are in different racks wherever that can be. Each partition begins one
further, so that leadership is spread evenly; and each time round, its followers are shifted by one more, so that two
brokers do not share all their partitions. Within a partition a rack is not used twice before every rack is used once.
Where the ring begins is a matter of chance: many topics of one partition do not all land on the first broker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from odradek_broker.controller.image import BrokerImage


class Randomness(Protocol):
    """What is used of random.Random."""

    def randrange(self, stop: int, /) -> int: ...

    def randbytes(self, n: int, /) -> bytes: ...


def place(
    brokers: Iterable[BrokerImage], partitions: int, replication_factor: int, random: Randomness, first: int = 0
) -> list[tuple[int, ...]]:
    """The replicas of each new partition, the preferred leader first.

    `first` is the number of the first new one. Brokers that are not active get replicas only where the others do not
    suffice, and never the leadership. There have to be `replication_factor` brokers, one of them active.
    """
    everybody = list(brokers)
    ring = _ring([broker for broker in everybody if broker.is_active], random)
    reserve = [broker for broker in everybody if not broker.is_active]
    assert ring and replication_factor <= len(everybody)
    shift = random.randrange(len(ring))
    placed = []
    for partition in range(first, first + partitions):
        leader = (shift + partition) % len(ring)
        lap = (shift + partition) // len(ring)
        followers = [ring[(leader + 1 + (lap + step) % (len(ring) - 1)) % len(ring)] for step in range(len(ring) - 1)]
        order = _racks_in_turn([ring[leader], *followers]) + reserve
        placed.append(tuple(broker.broker_id for broker in order[:replication_factor]))
    return placed


def _ring(brokers: list[BrokerImage], random: Randomness) -> list[BrokerImage]:
    """All brokers, racks taking turns, beginning anywhere."""
    racks: defaultdict[str | None, list[BrokerImage]] = defaultdict(list)
    for broker in sorted(brokers, key=lambda broker: broker.broker_id):
        racks[broker.rack].append(broker)
    ring = []
    for turn in range(max(map(len, racks.values()), default=0)):
        ring += [rack[turn] for rack in racks.values() if turn < len(rack)]
    start = random.randrange(len(ring)) if ring else 0
    return ring[start:] + ring[:start]


def _racks_in_turn(candidates: list[BrokerImage]) -> list[BrokerImage]:
    """The same brokers, those whose rack has not had its turn yet before the others; a broker without one is alone."""
    ordered: list[BrokerImage] = []
    waiting = candidates
    while waiting:
        used: set[str] = set()
        left = []
        for broker in waiting:
            if broker.rack is not None and broker.rack in used:
                left.append(broker)
            else:
                ordered.append(broker)
                used.add(broker.rack or "")
        waiting = left
    return ordered
