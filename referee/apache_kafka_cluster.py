"""Apache Kafka 4.4.0 as three child processes: each a combined KRaft broker and controller, all three voters.

The settings are Kafka's defaults, but for three replicas of which two must be in sync, and for what saves time without
changing behaviour (few partitions of internal topics, no delay before the first rebalance).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from odradek.testing.ports import free_ports
from referee.apache_kafka import ApacheKafka
from referee.java_tools import run_java_tool

NODES = 3
THREE_BROKERS = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
}


class ApacheKafkaNode(ApacheKafka):
    """One of several; `voters` and `cluster_id` are the same for all."""

    def __init__(
        self, data_dir: Path, config: Mapping[str, str], node_id: int, voters: Mapping[int, int], heap_mb: int
    ) -> None:
        """`voters`: the port of each node's controller, by node id."""
        super().__init__(data_dir, config, heap_mb=heap_mb)
        self.name = f"{self.name}, node {node_id}"
        self.cluster_id: str | None = None
        self._node_id = node_id
        self._voters = voters

    def spawn(self) -> None:
        self._write_properties()  # the ports may be others than the last time
        super().spawn()

    def format(self) -> None:
        """Write the properties file beside the data directory and format the storage under the cluster's id."""
        assert self.cluster_id is not None
        self._write_properties()
        run_java_tool("kafka-storage", "format", "-t", self.cluster_id, "-c", str(self._properties))

    def _settings(self) -> dict[str, str]:
        controller = f"127.0.0.1:{self._voters[self._node_id]}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._node_id),
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(f"{id}@127.0.0.1:{port}" for id, port in self._voters.items()),
            "log.dirs": str(self.data_dir),
            **THREE_BROKERS,
            **self.config,
        }


class ApacheKafkaCluster:
    """Nodes 0 to 2 on free ports, formatted once under one cluster id. Raises JavaUnavailable when made."""

    name = ApacheKafka.name

    def __init__(self, data_dir: Path, config: Mapping[str, str] | None = None, heap_mb: int = 1024) -> None:
        self._voters: dict[int, int] = {}
        self.nodes = [
            ApacheKafkaNode(data_dir / f"node-{id}", config or {}, id, self._voters, heap_mb) for id in range(NODES)
        ]
        self._is_formatted = False

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def data_dirs(self) -> list[Path]:
        return [node.data_dir for node in self.nodes]

    @property
    def pids(self) -> list[int]:
        return [node.pid for node in self.nodes]

    def format(self) -> None:
        """All nodes, under one cluster id."""
        self._take_ports()
        cluster_id = run_java_tool("kafka-storage", "random-uuid").stdout.decode().split()[-1]
        for node in self.nodes:
            node.cluster_id = cluster_id
            node.format()
        self._is_formatted = True

    def start(self) -> None:
        """Format, the first time; spawn all at once and wait until each is ready. Raises BrokerStartError."""
        if not self._is_formatted:
            self.format()
        self._take_ports()
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready()

    def _take_ports(self) -> None:
        """New ones at each start: those that were free a while ago may have been taken by others since."""
        ports = free_ports(2 * NODES)
        self._voters.update(enumerate(ports[NODES:]))
        for node, port in zip(self.nodes, ports, strict=False):
            node.port = port

    def kill(self, node_id: int) -> None:
        """SIGKILL, then wait."""
        self.nodes[node_id].kill()

    def restart(self, node_id: int) -> None:
        """Start a node that is down, with the data that it has. Raises BrokerStartError."""
        self.nodes[node_id].start()

    def stop(self) -> None:
        """SIGTERM to all at once, since the last one alone has no quorum to hand anything over to; then wait."""
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as failed:
            failed.callback(self.stop)
            self.start()
            failed.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
