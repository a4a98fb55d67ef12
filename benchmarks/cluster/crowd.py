"""Many partitions with three replicas each: what they cost when nobody uses them, and when a broker dies.

    python -m benchmarks.run cluster.crowd

Odradek alone. The processor time of each broker is taken while no client is there. Then one is killed, and Metadata
asked without a pause until every partition has another leader.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import trio

from benchmarks.client_processes import make_topic
from benchmarks.cluster.clusters import BROKERS, OdradekCluster
from benchmarks.contenders import KAFKA
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from odradek import Admin

TOPIC = "crowd"
KILLED = 0
SETTLE_SECONDS = 5
IN_SYNC_TIMEOUT_SECONDS = 120


def measure(names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    """Every round has a cluster of its own, in which leaders are spread as they were when the topic was made."""
    what = f"3 brokers, {scale.partitions:,} partitions"
    idle = Measurement(f"{what}: idle, each broker", "% of a core", False, KAFKA)
    elected = Measurement(f"{what}: broker killed, all led again", "s", False, KAFKA)
    for round_number in range(scale.rounds):
        for name in names:
            if name == KAFKA:
                continue
            data_dir = directory / f"{name}-{round_number}"
            with OdradekCluster(data_dir, name) as cluster:
                make_topic(cluster.bootstrap, TOPIC, scale.partitions, BROKERS)
                trio.run(_wait_in_sync, cluster)
                time.sleep(SETTLE_SECONDS)
                for percent in _busy_percent(cluster.pids, scale.idle_seconds):
                    idle.add(name, percent)
                elected.add(name, trio.run(_seconds_to_other_leaders, cluster))
            shutil.rmtree(data_dir)
    yield idle
    yield elected


def _busy_percent(pids: list[int], seconds: float) -> list[float]:
    """Of a core, for each process."""
    processes = [psutil.Process(pid) for pid in pids]
    before, began = [_busy_seconds(each) for each in processes], time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return [100 * (_busy_seconds(each) - was) / passed for each, was in zip(processes, before, strict=True)]


def _busy_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _wait_in_sync(cluster: OdradekCluster) -> None:
    """Return when every replica is. Raises trio.TooSlowError."""
    async with Admin(cluster.bootstrap) as admin:
        with trio.fail_after(IN_SYNC_TIMEOUT_SECONDS):
            while any(len(each.isr) < BROKERS for each in (await admin.describe_topic(TOPIC)).partitions):  # noqa: ASYNC110
                await trio.sleep(0.1)


async def _seconds_to_other_leaders(cluster: OdradekCluster) -> float:
    """From the SIGKILL until a broker tells of no partition that it is led by the dead one, or by nobody."""
    survivors = [address for broker, address in enumerate(cluster.addresses) if broker != KILLED]
    async with Admin(survivors) as admin:
        led = {each.leader for each in (await admin.describe_topic(TOPIC)).partitions}
        assert KILLED in led, f"broker {KILLED} leads nothing"
        began = time.monotonic()
        await trio.to_thread.run_sync(cluster.kill, KILLED)
        with trio.fail_after(IN_SYNC_TIMEOUT_SECONDS):
            while not led.isdisjoint({KILLED, -1}):
                led = {each.leader for each in (await admin.describe_topic(TOPIC)).partitions}
        return time.monotonic() - began
