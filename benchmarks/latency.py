"""How long a producer waits for one acknowledgement when nothing else is in flight: 100 bytes, acks=all, no linger.

python -m benchmarks.run latency
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.client_processes import fresh_topic, run_client
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale

RECORDS = 5_000


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    p50 = Measurement("one in flight, p50", "ms", False, KAFKA, goals={PAGE_CACHE: 1.0}, goal_values={FSYNC: 0.6})
    p99 = Measurement("one in flight, p99", "ms", False, KAFKA)
    for round_number in range(scale.rounds + 1):
        for contender in contenders:
            broker = contender.broker
            with fresh_topic(broker) as topic:
                what = {"topic": topic, "records": scale.records(RECORDS), "value_bytes": 100}
                took = run_client("confluent", "latency", bootstrap=broker.bootstrap, **what)
            if round_number > 0:
                p50.add(contender.name, took["p50_ms"])
                p99.add(contender.name, took["p99_ms"])
    yield p50
    yield p99
