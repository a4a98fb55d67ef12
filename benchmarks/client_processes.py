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

CLIENT_TIMEOUT_SECONDS = 900

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
def fresh_topic(bootstrap: str, partitions: int = 1) -> Iterator[str]:
    """A topic made for one measurement and deleted after it, soon also from the disk."""
    name = f"measured-{next(_numbers)}"
    make_topic(bootstrap, name, partitions)
    try:
        yield name
    finally:
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        admin.delete_topics([name])[name].result(60)


def make_topic(bootstrap: str, name: str, partitions: int = 1) -> None:
    """Create it and wait until brokers tell of it."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    topic = NewTopic(name, partitions, 1, config={"file.delete.delay.ms": "1000"})
    admin.create_topics([topic])[name].result(60)
    while name not in admin.list_topics(timeout=60).topics:
        time.sleep(0.02)
