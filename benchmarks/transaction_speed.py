"""What transactions cost: how many there are in a second, how much goes through them, how long a step of a copy takes.

    python -m benchmarks.run transaction_speed            one broker of each
    python -m benchmarks.run cluster.transaction_speed    three of each

Records of 100 B, or of 1 KB where there are a thousand in a transaction, into one partition, by confluent-kafka.
Brokers take turns for each figure, round by round. What goes before the first round warms up, and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.client_processes import Served, fresh_topic, run_client
from benchmarks.cluster.clusters import BROKERS, make
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale

SECONDS = 4
"""Of a rate."""
STEPS = 300
RECORDS, VALUE_BYTES = 1_000, 1_000
EVEN = {PAGE_CACHE: 1.0, FSYNC: 1.0}


@dataclass(frozen=True)
class Task:
    """What a client process is told, and what it tells: each figure with its unit, and whether more is better."""

    name: str
    what: dict[str, Any]
    figures: dict[str, tuple[str, str, bool]]
    """By the client's key: what is measured."""


RATE = ("transactions/s", True)
TASKS = [
    Task("commits", {"producers": 1}, {"transactions_per_s": ("transactions of a record, one producer", *RATE)}),
    Task("commits", {"producers": 20}, {"transactions_per_s": ("transactions of a record, 20 producers", *RATE)}),
    Task(
        "bulk",
        {"records": RECORDS, "value_bytes": VALUE_BYTES},
        {"records_per_s": (f"in, 1 KB, {RECORDS:,} in a transaction", "records/s", True)},
    ),
    Task(
        "steps",
        {"steps": STEPS},
        {
            "p50_ms": ("read, write and commit, until visible, p50", "ms", False),
            "p99_ms": ("read, write and commit, until visible, p99", "ms", False),
        },
    ),
]


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """The brokers are running."""
    for task in TASKS:
        found = _measurements(task, "")
        for round_number in range(scale.rounds + 1):
            for contender in contenders:
                figures = run(contender.broker, task, 1)
                if round_number:
                    _note(found, contender.name, figures)
        yield from found.values()


def measure_three(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    """One cluster runs at a time; everything is done once before it counts."""
    found = [_measurements(task, "3 brokers: ") for task in TASKS]
    for _ in range(scale.rounds):
        for contender in make(names, directory):
            with contender.cluster as cluster:
                for task in TASKS:
                    run(cluster, task, BROKERS)
                for task, measurements in zip(TASKS, found, strict=True):
                    _note(measurements, contender.name, run(cluster, task, BROKERS))
    for measurements in found:
        yield from measurements.values()


def run(broker: Served, task: Task, replicas: int) -> dict[str, float]:
    """On topics that are made for it."""
    with fresh_topic(broker, 1, replicas) as topic, fresh_topic(broker, 1, replicas) as target:
        where = {"bootstrap": broker.bootstrap, "topic": topic, "target": target}
        return run_client("transactions", task.name, seconds=SECONDS, **where, **task.what)


def _measurements(task: Task, where: str) -> dict[str, Measurement]:
    return {
        key: Measurement(where + name, unit, more, KAFKA, EVEN, in_picture=False)
        for key, (name, unit, more) in task.figures.items()
    }


def _note(measurements: dict[str, Measurement], contender: str, figures: dict[str, float]) -> None:
    for key, measurement in measurements.items():
        measurement.add(contender, figures[key])
