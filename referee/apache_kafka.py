"""Apache Kafka 4.4.0 as a child process: one combined KRaft broker and controller, no container.

The settings are Kafka's defaults, but for what one broker needs (replication factor 1 of internal topics) and for
what saves a test time without changing behaviour (few partitions of internal topics, no delay before the first
rebalance).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from odradek.testing.ports import free_ports
from referee.java_class_path import LOGGING_OPTION
from referee.java_tools import java_environment, run_java_tool
from referee.process import BrokerProcess

ONE_BROKER = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
}


class ApacheKafka(BrokerProcess):
    """`kafka.Kafka` on a free port, its storage formatted at the first start. Raises JavaUnavailable when made."""

    name = "Apache Kafka"
    ready_line = re.compile(r"Kafka Server started")

    def __init__(
        self, data_dir: Path, config: Mapping[str, str] | None = None, port: int | None = None, heap_mb: int = 1024
    ) -> None:
        super().__init__(data_dir, config, port)
        self.heap_mb = heap_mb
        self._environment = java_environment()
        self._controller_port = free_ports(1)[0]

    def spawn(self) -> None:
        if not self._properties.exists():
            self.format()
        super().spawn()

    def format(self) -> None:
        """Write the properties file beside the data directory and format the storage under a fresh cluster id."""
        self._write_properties()
        cluster_id = run_java_tool("kafka-storage", "random-uuid").stdout.decode().split()[-1]
        run_java_tool("kafka-storage", "format", "--standalone", "-t", cluster_id, "-c", str(self._properties))

    def command(self) -> list[str]:
        heap = [f"-Xms{self.heap_mb}m", f"-Xmx{self.heap_mb}m", "-XX:+UseG1GC"]
        return ["java", *heap, LOGGING_OPTION, "kafka.Kafka", str(self._properties)]

    def environment(self) -> dict[str, str]:
        return self._environment

    def _write_properties(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))

    @property
    def _properties(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".properties")

    def _settings(self) -> dict[str, str]:
        controller = f"127.0.0.1:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": controller,
            "log.dirs": str(self.data_dir),
            **ONE_BROKER,
            **self.config,
        }
