"""Clusters of three brokers, started and killed in the same way whoever made them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import trio

from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, QUICK_REMOVAL
from odradek.testing import Cluster
from odradek.testing.cluster import Journal
from referee import ApacheKafkaCluster

BROKERS = 3
FLUSH_POLICY: dict[str, dict[str, str]] = {PAGE_CACHE: {"log.flush.policy": "interval"}, FSYNC: {}}
KAFKA_REMOVAL = QUICK_REMOVAL | {"log.initial.task.delay.ms": "1000"}
"""A cluster starts anew for each turn: it is not to look for deleted logs half a minute later."""


class ThreeBrokers(Protocol):
    """Brokers 0 to 2. They run inside of the `with` block; a later one finds their data again."""

    @property
    def bootstrap(self) -> str: ...

    @property
    def data_dirs(self) -> list[Path]: ...

    def kill(self, broker: int, /) -> None:
        """SIGKILL; returns when the process is gone."""

    def restart(self, broker: int, /) -> None:
        """Return when it is ready."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@dataclass(frozen=True)
class ClusterContender:
    name: str
    cluster: ThreeBrokers


def make(names: list[str], directory: Path) -> list[ClusterContender]:
    """The contenders called so, none of them started, each with its data below `directory`."""
    made: list[ClusterContender] = []
    for index, name in enumerate(names):
        data_dir = directory / f"cluster-{index}"
        kafka = name == KAFKA
        cluster: ThreeBrokers = ApacheKafkaCluster(data_dir, KAFKA_REMOVAL) if kafka else OdradekCluster(data_dir, name)
        made.append(ClusterContender(name, cluster))
    return made


class OdradekCluster:
    """An `odradek.testing.Cluster` that lives in a thread with a Trio loop, for callers that have none."""

    def __init__(self, data_dir: Path, name: str, journal: Journal = "file") -> None:
        """`name` is the contender's, which says how it flushes."""
        self._data_dir = data_dir
        self._settings = QUICK_REMOVAL | FLUSH_POLICY[name]
        self._journal = journal
        self._began = threading.Event()
        self._failure: Exception | None = None

    @property
    def bootstrap(self) -> str:
        return self._cluster.bootstrap

    @property
    def data_dirs(self) -> list[Path]:
        return [broker.directory for broker in self._cluster.brokers]

    @property
    def addresses(self) -> list[str]:
        return [broker.address for broker in self._cluster.brokers]

    @property
    def pids(self) -> list[int]:
        """Of the brokers that are up."""
        return [broker.pid for broker in self._cluster.brokers if broker.pid is not None]

    def kill(self, broker: int) -> None:
        trio.from_thread.run_sync(self._cluster.brokers[broker].kill, trio_token=self._token)

    def restart(self, broker: int) -> None:
        trio.from_thread.run(self._cluster.brokers[broker].start, trio_token=self._token)

    def active_controller(self) -> int:
        """The number of the broker that decides; for journal etcd."""
        active = trio.from_thread.run(self._cluster.active_controller, trio_token=self._token)
        return self._cluster.brokers.index(active)

    def __enter__(self) -> Self:
        # Made anew each time: ports that were free a while ago may have been taken by others since.
        self._cluster = Cluster(BROKERS, data_dir=self._data_dir, settings=self._settings, journal=self._journal)
        self._began.clear()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)
        self._thread.start()
        self._began.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        trio.from_thread.run_sync(self._over.set, trio_token=self._token)
        self._thread.join()

    async def _run(self) -> None:
        self._token, self._over = trio.lowlevel.current_trio_token(), trio.Event()
        try:
            async with self._cluster:
                self._began.set()
                await self._over.wait()
        except Exception as failure:
            self._failure = failure
        finally:
            self._began.set()
