"""Measuring clients as child processes, and the topics they measure on."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from referee import BrokerProcess

CLIENT_TIMEOUT_SECONDS = 900
REMOVAL_TIMEOUT_SECONDS = 120

_numbers = itertools.count()


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
def fresh_topic(broker: BrokerProcess, partitions: int = 1) -> Iterator[str]:
    """A topic made for one measurement, and gone from the disk before the next one begins.

    Its pages are free again then. Measured on a virtual machine, a broker that had to write into pages that the machine
    had not touched before took three times the system time: whose turn came after a slow deletion would pay for it.
    """
    name = f"measured-{next(_numbers)}"
    make_topic(broker.bootstrap, name, partitions)
    try:
        yield name
    finally:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.delete_topics([name])[name].result(60)
        _wait_until_removed(broker)


def _wait_until_removed(broker: BrokerProcess) -> None:
    """Kafka looks for deleted logs for the first time 30 s after its start."""
    give_up = time.monotonic() + REMOVAL_TIMEOUT_SECONDS
    while any(broker.data_dir.glob("*-delete")):
        assert time.monotonic() < give_up, f"{broker.name} has not removed a deleted topic"
        time.sleep(0.02)


def make_topic(bootstrap: str, name: str, partitions: int = 1) -> None:
    """Create it and wait until brokers tell of it."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    topic = NewTopic(name, partitions, 1)
    admin.create_topics([topic])[name].result(60)
    while name not in admin.list_topics(timeout=60).topics:
        time.sleep(0.02)
