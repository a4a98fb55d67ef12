"""Who is measured: Apache Kafka as it comes, and Odradek with each of its two flush policies.

Apache Kafka needs Java and Maven; where they are absent, Odradek runs alone and the table says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from referee import ApacheKafka, BrokerProcess, Odradek, why_java_is_unavailable

KAFKA = "Apache Kafka"
PAGE_CACHE = "Odradek, page cache"
FSYNC = "Odradek, fsync"

QUICK_REMOVAL = {"log.segment.delete.delay.ms": "1000"}
"""Deleted topics are to be gone before the next measurement: see fresh_topic."""
SHORT_SESSIONS = {"group.consumer.min.session.timeout.ms": "6000", "group.consumer.min.heartbeat.interval.ms": "1000"}
"""Groups may have such, and then notice a death within a measurement: see groups.py."""


@dataclass(frozen=True)
class Contender:
    name: str
    broker: BrokerProcess


def make(names: list[str], directory: Path) -> list[Contender]:
    """The contenders called so, not yet started, each with a data directory of its own below `directory`."""
    made = []
    for index, name in enumerate(names):
        data_dir = directory / f"broker-{index}"
        made.append(Contender(name, _broker(name, data_dir)))
    return made


def _broker(name: str, data_dir: Path) -> BrokerProcess:
    if name == KAFKA:
        return ApacheKafka(data_dir, QUICK_REMOVAL | SHORT_SESSIONS, heap_mb=1024)
    policy = {"log.flush.policy": "interval"} if name == PAGE_CACHE else {}
    return Odradek(data_dir, QUICK_REMOVAL | SHORT_SESSIONS | policy)


def available(wanted: list[str]) -> list[str]:
    """`wanted` without what cannot run here; says so."""
    reason = why_java_is_unavailable() if KAFKA in wanted else None
    if reason is None:
        return wanted
    print(f"Apache Kafka is left out: {reason}")
    return [name for name in wanted if name != KAFKA]


@contextlib.contextmanager
def running(contenders: list[Contender]) -> Iterator[list[Contender]]:
    """All of them started; all of them stopped at the end."""
    with contextlib.ExitStack() as stack:
        for each in contenders:
            stack.enter_context(each.broker)
        yield contenders
