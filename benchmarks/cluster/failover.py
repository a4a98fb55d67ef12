"""The leader is killed under a steady writer: how long no record is acknowledged.

    python -m benchmarks.run cluster.failover

One partition, three replicas, all in sync. An idempotent confluent-kafka producer with acks=all and short backoffs
sends 5,000 records a second (client_steady.py). The leader gets a SIGKILL; the gap is the longest time between two
acknowledgements from there until the writer has got on for a second or two. Then the broker is started again, and all
replicas are in sync before the next kill. At the end every acknowledged record has to be there, once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka.admin import AdminClient

from benchmarks.client_processes import fresh_topic
from benchmarks.client_steady import IMPATIENT
from benchmarks.cluster.clusters import BROKERS, ClusterContender, ThreeBrokers, make
from benchmarks.cluster.steady_writer import RECORDS_PER_SECOND, SteadyWriter
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale

GOALS_MS = {PAGE_CACHE: 1000.0, FSYNC: 1000.0}
SHOWN_BEFORE_SECONDS, SHOWN_AFTER_SECONDS = 2.0, 14.0
STEP_SECONDS = 0.05
STEADY_SECONDS = 3.0
"""Between a burst of what a start or a restart has held up and the next kill; more than is shown before it."""
DOWN_AT_LEAST_SECONDS = 2.0
IN_SYNC_TIMEOUT_SECONDS = 120


def measure(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    """The first kill of each contender is the one with a timeline."""
    contenders = make(names, directory)
    median = Measurement("3 brokers: leader killed, gap, median", "ms", False, KAFKA, goal_values=GOALS_MS)
    for round_number in range(scale.rounds):
        for contender in contenders:
            kills = scale.share(scale.kafka_kills if contender.name == KAFKA else scale.kills, round_number)
            _one_turn(contender, kills, median)
    yield median
    yield worst_of(median, "3 brokers: leader killed, gap, worst")


def worst_of(measured: Measurement, name: str) -> Measurement:
    worst = Measurement(name, measured.unit, False, measured.baseline)
    for contender, values in measured.values.items():
        worst.add(contender, max(values))
    return worst


def _one_turn(contender: ClusterContender, kills: int, gaps: Measurement) -> None:
    with (
        contender.cluster as cluster,
        fresh_topic(cluster, 1, BROKERS) as topic,
        SteadyWriter(cluster.bootstrap, topic) as writer,
    ):
        for _ in range(kills):
            wait_in_sync(cluster, topic)
            writer.wait_for_acknowledgements(time.monotonic())
            time.sleep(STEADY_SECONDS)
            leader, shown = leader_of(cluster, topic), contender.name not in gaps.timelines
            at = time.monotonic()
            gaps.add(contender.name, gap_ms(cluster, leader, writer, SHOWN_AFTER_SECONDS if shown else 0))
            if shown:
                gaps.timelines[contender.name] = _timeline(writer, at)
            cluster.restart(leader)
        wait_in_sync(cluster, topic)


def gap_ms(cluster: ThreeBrokers, leader: int, writer: SteadyWriter, down_seconds: float = 0) -> float:
    """Kill the leader. It stays down for `down_seconds` at least, and until the writer has got on."""
    at = time.monotonic()
    cluster.kill(leader)
    writer.wait_for_acknowledgements(at, RECORDS_PER_SECOND)
    time.sleep(max(0.0, at + max(down_seconds, DOWN_AT_LEAST_SECONDS) - time.monotonic()))
    return writer.longest_gap_ms(at)


def leader_of(cluster: ThreeBrokers, topic: str) -> int:
    """The broker that leads partition 0."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, **IMPATIENT})
    return int(admin.list_topics(topic, timeout=60).topics[topic].partitions[0].leader)


def wait_in_sync(cluster: ThreeBrokers, topic: str) -> None:
    """Return when all replicas of partition 0 are. Raises TimeoutError."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, **IMPATIENT})
    give_up = time.monotonic() + IN_SYNC_TIMEOUT_SECONDS
    while len(admin.list_topics(topic, timeout=60).topics[topic].partitions[0].isrs) < BROKERS:
        if time.monotonic() > give_up:
            raise TimeoutError(f"the replicas of {topic} do not come in sync again")
        time.sleep(0.1)


def _timeline(writer: SteadyWriter, at: float) -> list[tuple[float, int]]:
    """How many records were acknowledged in each 50 ms around `at`; zeroes too."""
    counts: Counter[int] = Counter()
    for when, records in writer.acknowledged:
        counts[int((when - at) // STEP_SECONDS)] += records
    first, last = round(-SHOWN_BEFORE_SECONDS / STEP_SECONDS), round(SHOWN_AFTER_SECONDS / STEP_SECONDS)
    return [(round(step * STEP_SECONDS, 3), counts[step]) for step in range(first, last)]
