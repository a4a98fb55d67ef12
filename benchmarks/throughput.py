"""Records per second, in and out, of each broker under the same client.

    python -m benchmarks.run throughput

One partition, acks=all, batch.size 1,000,000, linger.ms 5. Each round writes a fresh topic on every broker in turn,
reads it back, and deletes it. The first round is shorter, warms everybody up, and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.client_processes import Served, fresh_topic, run_client
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale


@dataclass(frozen=True)
class Load:
    name: str
    value_bytes: int
    records: int
    partitions: int = 1
    values: str = "constant"
    read_back: bool = True
    config: dict[str, Any] = field(default_factory=dict)


LOADS = [
    Load("100 B", 100, 3_000_000),
    Load("1 KB", 1_000, 800_000),
    Load("10 KB", 10_000, 80_000),
    Load(
        "1 KB zstd, 6 partitions",
        1_000,
        1_000_000,
        partitions=6,
        values="json",
        read_back=False,
        config={"compression.type": "zstd"},
    ),
    Load(
        "1 KB idempotent, 6 partitions",
        1_000,
        600_000,
        partitions=6,
        read_back=False,
        config={"enable.idempotence": True},
    ),
]
WARM_UP_DIVISOR = 4
GOALS_IN = {PAGE_CACHE: 1.2, FSYNC: 1.0}
GOALS_OUT = {PAGE_CACHE: 1.0, FSYNC: 1.0}


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    for load in LOADS:
        into = Measurement(f"in, {load.name}", "records/s", True, KAFKA, GOALS_IN)
        out = Measurement(f"out, {load.name}", "records/s", True, KAFKA, GOALS_OUT)
        for round_number in range(scale.rounds + 1):
            records = scale.records(load.records) // (WARM_UP_DIVISOR if round_number == 0 else 1)
            for contender in contenders:
                written, read = _one_round(contender.broker, load, records)
                if round_number > 0:
                    into.add(contender.name, written)
                    if read is not None:
                        out.add(contender.name, read)
        yield into
        if load.read_back:
            yield out


def _one_round(broker: Served, load: Load, records: int) -> tuple[float, float | None]:
    with fresh_topic(broker, load.partitions) as topic:
        written = write(broker, topic, load, records)
        if not load.read_back:
            return written, None
        what = {"topic": topic, "records": records, "value_bytes": load.value_bytes, "partitions": load.partitions}
        read = run_client("confluent", "consume", bootstrap=broker.bootstrap, **what)
    return written, read["records_per_s"]


def write(broker: Served, topic: str, load: Load, records: int) -> float:
    """Records per second into a topic that is there."""
    what = {"topic": topic, "records": records, "value_bytes": load.value_bytes, "partitions": load.partitions}
    where = {"bootstrap": broker.bootstrap, "values": load.values, "config": load.config}
    return run_client("confluent", "produce", **where, **what)["records_per_s"]
