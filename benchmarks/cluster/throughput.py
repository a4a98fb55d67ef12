"""Records per second into topics with three replicas, under the same client: acks=all, two must be in sync.

    python -m benchmarks.run cluster.throughput

The loads are those of one broker (benchmarks/throughput.py), a third as many records, not read back. A cluster is
started for each turn, and written to for `warm_up_seconds` first, as three JVMs on few cores take long to compile what
is hot. Each load is preceded by a shorter one into the same topic that does not count, so that the followers of a topic
that has just been made have begun to fetch.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.client_processes import fresh_topic
from benchmarks.cluster.clusters import BROKERS, ThreeBrokers, make
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.throughput import LOADS, WARM_UP_DIVISOR, write

GOALS = {PAGE_CACHE: 1.0, FSYNC: 0.8}
LOADS_IN = [replace(load, records=load.records // 3) for load in LOADS]


def measure(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    contenders = make(names, directory)
    measured = [Measurement(f"3 brokers: in, {load.name}", "records/s", True, KAFKA, GOALS) for load in LOADS_IN]
    for _ in range(scale.rounds):
        for contender in contenders:
            with contender.cluster as cluster:
                _warm_up(cluster, scale)
                for load, measurement in zip(LOADS_IN, measured, strict=True):
                    records = scale.records(load.records)
                    with fresh_topic(cluster, load.partitions, BROKERS) as topic:
                        write(cluster, topic, load, records // WARM_UP_DIVISOR)
                        measurement.add(contender.name, write(cluster, topic, load, records))
    yield from measured


def _warm_up(cluster: ThreeBrokers, scale: Scale) -> None:
    """All loads by turns, until the time is over."""
    over = time.monotonic() + scale.warm_up_seconds
    for load in itertools.cycle(LOADS_IN):
        with fresh_topic(cluster, load.partitions, BROKERS) as topic:
            write(cluster, topic, load, scale.records(load.records) // WARM_UP_DIVISOR)
        if time.monotonic() > over:
            return
