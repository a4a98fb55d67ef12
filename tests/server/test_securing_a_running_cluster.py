"""A cluster goes from PLAINTEXT to SASL_SSL, one node after the other, while somebody writes and somebody reads:
nothing is lost, and nobody is kept out.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from odradek import Admin, Consumer, Producer, Security, TopicPartition
from odradek.testing.ports import free_ports
from tests.server.served_broker import Served, serving
from tests.tls.certified import HERE, authority, trusted, written

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
ACCOUNT = f'{SCRAM} required username="n" password="between";'
PLAIN, BOTH, INSIDE, SECURED = range(4)
"""The rounds: plain only; a secured listener beside it; used between nodes; and alone."""


class Restarted:
    """One node, which is stopped and started with other settings; run as a task of its own."""

    def __init__(self, directory: Path, node_id: int, ports: dict[int, tuple[int, int]]) -> None:
        self.served: Served
        self._directory = directory
        self._id = node_id
        self._ports = ports
        self._wanted = PLAIN
        self._starts = 0
        self._change, self._ready = trio.Event(), trio.Event()

    async def run(self) -> None:
        while True:
            self._starts += 1
            where, seed = self._directory / str(self._id), 1000 * self._id + self._starts
            async with serving(where, seed=seed, **self._settings()) as self.served:
                self._ready.set()
                await self._change.wait()
                await self.served.stop()

    async def go_on_to(self, wanted: int) -> None:
        """Return when it serves again."""
        self._wanted, self._ready = wanted, trio.Event()
        change, self._change = self._change, trio.Event()
        change.set()
        await self._ready.wait()

    async def started(self) -> None:
        await self._ready.wait()

    def _settings(self) -> dict[str, str]:
        plain, secure = self._ports[self._id]
        listeners = {"PLAINTEXT": plain, "SASL_SSL": secure}
        if self._wanted == PLAIN:
            del listeners["SASL_SSL"]
        if self._wanted == SECURED:
            del listeners["PLAINTEXT"]
        inside = "SASL_SSL" if self._wanted >= INSIDE else "PLAINTEXT"
        settings = {
            "node.id": str(self._id),
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
            "inter.broker.listener.name": inside,
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "200",
            "ssl.keystore.location": written(self._directory, authority().issue("node", HERE)),
            "ssl.truststore.location": trusted(self._directory),
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": ACCOUNT,
        }
        if self._wanted == INSIDE:
            settings["super.users"] = "User:ANONYMOUS"  # the nodes that are not there yet are brokers, too
        if self._id == 100:
            return settings | {"process.roles": "controller"}
        controller = self._ports[100][1 if self._wanted >= INSIDE else 0]
        return settings | {
            "process.roles": "broker",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "default.replication.factor": "2",
        }


@pytest.mark.slow
async def test_what_is_written_while_a_cluster_is_secured_is_all_there(tmp_path: Path) -> None:
    free = free_ports(6)
    ports = {node_id: (free[2 * i], free[2 * i + 1]) for i, node_id in enumerate((100, 1, 2))}
    security = Security(
        security_protocol="SASL_SSL", ssl_ca_file=trusted(tmp_path), sasl_username="n", sasl_password="between"
    )
    plain_ones, secured_ones = (
        ",".join(f"localhost:{ports[node_id][which]}" for node_id in (1, 2)) for which in (0, 1)
    )
    sent: list[bytes] = []
    news = trio.Event()

    async def write(bootstrap: str, security: Security, stop: trio.Event, stopped: trio.Event) -> None:
        async with Producer(bootstrap, security=security, linger_ms=0) as producer:
            while not stop.is_set():
                value = b"%d" % len(sent)
                await (await producer.send("t", value))
                sent.append(value)
                news.set()
        stopped.set()

    read: set[bytes | None] = set()

    async def go_on_reading(bootstrap: str, security: Security, stop: trio.Event, stopped: trio.Event) -> None:
        options = {"group": "readers", "start": "earliest", "security": security, "session_timeout_ms": 6000}
        async with Consumer(bootstrap, "t", **options) as consumer:  # type: ignore[call-overload]
            while not stop.is_set():
                read.update(record.value for record in await consumer.poll(timeout_s=0.1))
                news.set()
        stopped.set()

    async def twenty_more() -> None:
        """Written, and read by the group."""
        nonlocal news
        wanted = len(sent) + 20
        while len(sent) < wanted or len(read) < wanted:
            news = trio.Event()
            await news.wait()

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nodes = [Restarted(tmp_path, node_id, ports) for node_id in ports]
            for node in nodes:
                nursery.start_soon(node.run)
                await node.started()
            async with Admin(plain_ones) as admin:
                await admin.create_topic("t", 2, 2)
                await admin.set_password("n", "between")
            stop, stopped, left = trio.Event(), trio.Event(), trio.Event()
            nursery.start_soon(write, plain_ones, Security(), stop, stopped)
            nursery.start_soon(go_on_reading, plain_ones, Security(), stop, left)
            for round_ in (BOTH, INSIDE):
                for node in nodes:
                    await node.go_on_to(round_)
                    await twenty_more()
            stop.set()
            await stopped.wait()
            await left.wait()
            stop, stopped, left = trio.Event(), trio.Event(), trio.Event()
            nursery.start_soon(write, secured_ones, security, stop, stopped)
            nursery.start_soon(go_on_reading, secured_ones, security, stop, left)
            for node in nodes:
                await node.go_on_to(SECURED)
            await twenty_more()
            stop.set()
            await stopped.wait()
            await left.wait()
            found: list[bytes | None] = []
            async with Consumer(secured_ones, start="earliest", security=security) as consumer:
                await consumer.assign([TopicPartition("t", 0), TopicPartition("t", 1)])
                while len(found) < len(sent):
                    found += [record.value for record in await consumer.poll()]
            assert sorted(found, key=int) == sent  # type: ignore[arg-type]
            callers = {str(each._caller.principal) for node in nodes for each in node.served._server._connections}
            assert callers == {"User:n"}
            nursery.cancel_scope.cancel()
