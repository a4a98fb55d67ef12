"""Measuring clients as child processes, and the topics they measure on."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

CLIENT_TIMEOUT_SECONDS = 900
REMOVAL_TIMEOUT_SECONDS = 120

_numbers = itertools.count()


class Served(Protocol):
    """A broker or a cluster, as far as a topic needs it."""

    @property
    def bootstrap(self) -> str: ...

    @property
    def data_dirs(self) -> list[Path]: ...


def run_client(client: str, task: str, **what: Any) -> dict[str, float]:
    """Run `task` in `python -m benchmarks.client_<client>` and give what it measured.

    Raises RuntimeError with the client's last words when it fails.
    """
    command = [sys.executable, "-m", f"benchmarks.client_{client}", json.dumps({"task": task, **what})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CLIENT_TIMEOUT_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"{client} failed at {task} {what}:\n{done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


@contextlib.contextmanager
def fresh_topic(broker: Served, partitions: int = 1, replicas: int = 1) -> Iterator[str]:
    """A topic made for one measurement, and gone from the disk before the next one begins.

    Its pages are free again then. Measured on a virtual machine, a broker that had to write into pages that the machine
    had not touched before took three times the system time: whose turn came after a slow deletion would pay for it.
    """
    name = f"measured-{next(_numbers)}"
    make_topic(broker.bootstrap, name, partitions, replicas)
    try:
        yield name
    finally:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.delete_topics([name])[name].result(60)
        _wait_until_removed(broker, name)


def _wait_until_removed(broker: Served, topic: str) -> None:
    """Kafka looks for deleted logs for the first time 30 s after its start; what it calls stray it keeps."""
    give_up = time.monotonic() + REMOVAL_TIMEOUT_SECONDS
    while any(not each.name.endswith("-stray") for at in broker.data_dirs for each in at.glob(f"{topic}-*")):
        assert time.monotonic() < give_up, f"{topic} is deleted, but not removed from {broker.data_dirs}"
        time.sleep(0.02)


def make_topic(
    bootstrap: str, name: str, partitions: int = 1, replicas: int = 1, assignment: list[list[int]] | None = None
) -> None:
    """Create it and wait until brokers tell of it, every partition with a leader.

    `assignment` says which brokers have each partition, instead of how many partitions and replicas there are.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    if assignment is None:
        topic = NewTopic(name, partitions, replicas)
    else:
        topic = NewTopic(name, len(assignment), replica_assignment=assignment)
    admin.create_topics([topic])[name].result(60)
    while True:
        told = admin.list_topics(timeout=60).topics.get(name)
        if told is not None and told.partitions and all(each.leader >= 0 for each in told.partitions.values()):
            return
        time.sleep(0.02)
