"""How long a producer waits for one acknowledgement when nothing else is in flight: 100 bytes, no linger, 3 replicas.

python -m benchmarks.run cluster.latency
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.client_processes import fresh_topic, run_client
from benchmarks.cluster.clusters import BROKERS, make
from benchmarks.contenders import KAFKA
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale

RECORDS = 5_000
ACKS = ("all", "1")
PERCENTILES = ("p50", "p99")


def measure(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    """The first run of each turn warms the cluster up and does not count."""
    contenders = make(names, directory)
    measured = {
        (acks, percentile): Measurement(f"3 brokers: one in flight, acks={acks}, {percentile}", "ms", False, KAFKA)
        for acks in ACKS
        for percentile in PERCENTILES
    }
    what = {"records": scale.records(RECORDS), "value_bytes": 100}
    for _ in range(scale.rounds):
        for contender in contenders:
            with contender.cluster as cluster, fresh_topic(cluster, 1, BROKERS) as topic:
                where = {"bootstrap": cluster.bootstrap, "topic": topic}
                run_client("confluent", "latency", **where, **what)
                for acks in ACKS:
                    took = run_client("confluent", "latency", **where, **what, acks=acks)
                    for percentile in PERCENTILES:
                        measured[acks, percentile].add(contender.name, took[f"{percentile}_ms"])
    yield from measured.values()
