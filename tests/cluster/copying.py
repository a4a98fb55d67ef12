"""Copiers as processes that can be killed and paused, and what they have copied."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

from odradek import Consumer, TopicPartition
from referee import class_path

PARTITIONS = 4
PLACES = [TopicPartition("target", index) for index in range(PARTITIONS)]
SETTINGS = {
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
}
HERE = Path(__file__).parent

Copied = dict[int, list[int]]
"""By partition."""


def _command(library: str, bootstrap: str, name: str) -> list[str]:
    if library == "java":
        source = HERE.parent / "interop" / "java" / "CopyUntilKilled.java"
        flags = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", class_path()]
        return ["java", *flags, str(source), bootstrap, name]
    return [sys.executable, "-m", "tests.cluster.copiers", library, bootstrap, name]


class CopierProcess:
    """What it says goes to a file. Use as `with`."""

    def __init__(self, library: str, bootstrap: str, number: int, directory: Path) -> None:
        self._command = _command(library, bootstrap, f"copier-{number}")
        self._said = (directory / f"copier-{number}").open("ab")
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._said.close()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=HERE.parents[1], stdout=self._said, stderr=subprocess.STDOUT
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None


async def keep_alive(copiers: Iterable[CopierProcess]) -> None:
    """Until cancelled."""
    while True:
        for copier in copiers:
            if copier.has_ended:
                copier.start()
        await trio.sleep(0.2)


async def read_target(bootstrap: str, count: int) -> Copied:
    """All that is committed, once so many are there, and what there is more."""
    found: Copied = {index: [] for index in range(PARTITIONS)}
    async with Consumer(bootstrap, start="earliest", isolation_level="read_committed") as consumer:
        await consumer.assign(PLACES)
        while sum(map(len, found.values())) < count:
            for record in await consumer.poll(timeout_s=1):
                found[record.partition].append(int(record.value or b""))
        for record in await consumer.poll(timeout_s=1):
            found[record.partition].append(int(record.value or b""))
    return found


def source_of(records: int) -> Copied:
    return {index: list(range(index, records, PARTITIONS)) for index in range(PARTITIONS)}
