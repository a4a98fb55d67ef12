"""How much is measured: a look (`--quick`), a result, or everything (`--full`)."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    rounds: int
    record_factor: float
    log_gigabytes: float
    load_seconds: int
    connections: int
    partitions: int
    kills: int
    kafka_kills: int
    """Each of them takes ten seconds and more."""
    controller_kills: int
    idle_seconds: float
    warm_up_seconds: float

    def records(self, count: int) -> int:
        """`count` scaled, in whole thousands."""
        return max(1000, round(count * self.record_factor / 1000) * 1000)

    def share(self, count: int, round_number: int) -> int:
        """How many of `count` fall to a round."""
        return count // self.rounds + (round_number < count % self.rounds)


QUICK = Scale(
    rounds=1,
    record_factor=0.1,
    log_gigabytes=0.3,
    load_seconds=10,
    connections=100,
    partitions=100,
    kills=2,
    kafka_kills=2,
    controller_kills=2,
    idle_seconds=5,
    warm_up_seconds=3,
)
NORMAL = Scale(
    rounds=3,
    record_factor=1,
    log_gigabytes=5,
    load_seconds=60,
    connections=500,
    partitions=1000,
    kills=20,
    kafka_kills=3,
    controller_kills=5,
    idle_seconds=20,
    warm_up_seconds=20,
)
FULL = replace(NORMAL, rounds=5, log_gigabytes=20, load_seconds=600)
