"""From the command to three brokers that are ready, and the memory that all processes hold together when idle.

    python -m benchmarks.run cluster.startup

Odradek is `odradek up --brokers 3`, until it has printed three ready lines: four processes and the one that started
them. Apache Kafka is three nodes started at once, until each has said that it is started. The data directories exist
already, after a clean stop; formatting is not counted. Memory is the proportional set size (PSS), in which a page that
several processes share counts once; where the system does not tell it, the resident set.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.cluster.clusters import FLUSH_POLICY
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from referee import ApacheKafkaCluster, OdradekUp

SETTLE_SECONDS = 10
MIB = 1024 * 1024


def measure(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    """The first start of each does not count."""
    ready = Measurement("3 brokers: start until ready", "s", False, KAFKA, {PAGE_CACHE: 1 / 3, FSYNC: 1 / 3})
    idle = Measurement("3 brokers: memory, idle, all processes", "MiB", False, KAFKA, {PAGE_CACHE: 0.2, FSYNC: 0.2})
    clusters = {name: _cluster(name, directory / f"cluster-{index}") for index, name in enumerate(names)}
    for cluster in clusters.values():
        cluster.start()
        cluster.stop()
    for _ in range(scale.rounds):
        for name, cluster in clusters.items():
            began = time.perf_counter()
            with cluster:
                ready.add(name, time.perf_counter() - began)
                time.sleep(SETTLE_SECONDS)
                idle.add(name, memory_mib(cluster.pids))
    yield ready
    yield idle


def _cluster(name: str, data_dir: Path) -> ApacheKafkaCluster | OdradekUp:
    return ApacheKafkaCluster(data_dir) if name == KAFKA else OdradekUp(data_dir, FLUSH_POLICY[name])


def memory_mib(pids: list[int]) -> float:
    """Of these processes and all that they have started."""
    parents = [psutil.Process(pid) for pid in pids]
    family = [*parents, *(child for parent in parents for child in parent.children(recursive=True))]
    held = [each.memory_full_info() for each in family]
    return float(sum(getattr(each, "pss", each.rss) for each in held)) / MIB
