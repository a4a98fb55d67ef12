"""Three brokers and a controller on machines of their own, as far as the network can tell: Linux network namespaces.

A machine that is cut off hears nothing, and nothing is heard of it: its end of the cable is taken off the bridge. No
connection breaks, and nobody refuses: that is how a host vanishes. Needs root, `ip` and Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from odradek.testing.node import Node

NETWORK = "10.213.7"
PORT = 9092
BRIDGE = "odradek-bridge"
CONTROLLER, BROKERS = 10, (1, 2, 3)
"""The last part of their addresses. Brokers go by 0 to 2."""


def are_possible() -> bool:
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("ip") is not None and _ip("netns", check=False)


def _ip(*arguments: str, check: bool = True) -> bool:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.returncode == 0


class Machine(Node):
    """One process, with a network of its own."""

    def __init__(self, number: int, name: str, data_dir: Path, settings: dict[str, str]) -> None:
        host = f"{NETWORK}.{number}"
        where = {
            "listeners": f"PLAINTEXT://{host}:{PORT}",
            "log.dir": str(data_dir / name),
            "allow.unsecured.listeners": "true",
        }
        super().__init__(name, data_dir / name, host, PORT, settings | where)
        self._cable = f"odradek-{number}"

    def _command(self) -> list[str]:
        return ["ip", "netns", "exec", self._cable, *super()._command()]

    def wire(self) -> None:
        _ip("netns", "add", self._cable)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._cable)
        inside = ("-n", self._cable)
        _ip(*inside, "addr", "add", f"{self.host}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip("link", "set", self._cable, "up")
        self.come_back()

    def vanish(self) -> None:
        _ip("link", "set", self._cable, "nomaster")

    def come_back(self) -> None:
        _ip("link", "set", self._cable, "master", BRIDGE)

    def unwire(self) -> None:
        _ip("netns", "del", self._cable, check=False)
        _ip("link", "del", self._cable, check=False)


class Machines:
    """Use as `async with`."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        """`settings`: beside those that say who is who, with underscores for dots."""
        shared = {
            "controller.quorum.bootstrap.servers": f"{NETWORK}.{CONTROLLER}:{PORT}",
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        decides = {"process.roles": "controller", "node.id": "100"}
        self.controller = Machine(CONTROLLER, "controller", data_dir, shared | decides)
        self.brokers = [
            Machine(
                number, f"broker-{node_id}", data_dir, shared | {"process.roles": "broker", "node.id": str(node_id)}
            )
            for node_id, number in enumerate(BROKERS)
        ]

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    @property
    def all(self) -> list[Machine]:
        return [self.controller, *self.brokers]

    async def __aenter__(self) -> Self:
        self._unwire()
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{NETWORK}.254/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for machine in self.all:
            machine.wire()
        for machine in self.all:
            await machine.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for machine in self.all:
            if machine.pid is not None:
                machine.kill()
        self._unwire()

    def _unwire(self) -> None:
        for machine in self.all:
            machine.unwire()
        _ip("link", "del", BRIDGE, check=False)
