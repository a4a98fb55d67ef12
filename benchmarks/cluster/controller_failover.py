"""A leader is killed that is the active controller too: how long no record is acknowledged.

    python -m benchmarks.run cluster.controller_failover

Odradek alone, with journal etcd: any of its brokers may be the controller. As in failover.py, but with a topic of its
own for each kill, which is led by the broker that is the active controller.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.client_processes import make_topic
from benchmarks.cluster.clusters import BROKERS, OdradekCluster
from benchmarks.cluster.failover import gap_ms, leader_of, wait_in_sync, worst_of
from benchmarks.cluster.steady_writer import SteadyWriter
from benchmarks.contenders import KAFKA
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale


def measure(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    """Of nothing, where there is no etcd: one line says so."""
    if shutil.which("etcd") is None:
        print("cluster.controller_failover is left out: etcd is not installed")
        return
    median = Measurement("3 brokers, etcd: leader and controller killed, gap, median", "ms", False, KAFKA)
    clusters = {name: OdradekCluster(directory / name, name, "etcd") for name in names if name != KAFKA}
    for round_number in range(scale.rounds):
        for name, cluster in clusters.items():
            with cluster:
                for number in range(scale.share(scale.controller_kills, round_number)):
                    median.add(name, _one_kill(cluster, f"controller-{round_number}-{number}"))
    yield median
    yield worst_of(median, "3 brokers, etcd: leader and controller killed, gap, worst")


def _one_kill(cluster: OdradekCluster, topic: str) -> float:
    active = cluster.active_controller()
    make_topic(cluster.bootstrap, topic, assignment=[[active, *(each for each in range(BROKERS) if each != active)]])
    wait_in_sync(cluster, topic)
    with SteadyWriter(cluster.bootstrap, topic) as writer:
        writer.wait_for_acknowledgements(time.monotonic())
        assert leader_of(cluster, topic) == cluster.active_controller() == active
        gap = gap_ms(cluster, active, writer)
        cluster.restart(active)
        wait_in_sync(cluster, topic)
    return gap
