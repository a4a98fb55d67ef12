"""How much is measured: a look (`--quick`), a result, or everything (`--full`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    rounds: int
    record_factor: float
    log_gigabytes: float
    load_seconds: int
    connections: int
    partitions: int

    def records(self, count: int) -> int:
        """`count` scaled, in whole thousands."""
        return max(1000, round(count * self.record_factor / 1000) * 1000)


QUICK = Scale(rounds=1, record_factor=0.1, log_gigabytes=0.3, load_seconds=10, connections=100, partitions=100)
NORMAL = Scale(rounds=3, record_factor=1, log_gigabytes=5, load_seconds=60, connections=500, partitions=1000)
FULL = Scale(rounds=5, record_factor=1, log_gigabytes=20, load_seconds=600, connections=500, partitions=1000)
