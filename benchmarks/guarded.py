"""Brokers with a second listener, by which nobody comes in who is not secured as it asks."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from benchmarks.contenders import Contender
from odradek.testing.ports import free_ports
from referee import ApacheKafka, BrokerProcess

LISTENER = "listener.name.guarded."
"""How settings of that listener begin."""


class Guarded(BrokerProcess):
    """Odradek with the listeners of its settings, which `odradek up` gives a single broker itself."""

    name = "Odradek"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")

    def command(self) -> list[str]:
        file = self.data_dir.with_name(self.data_dir.name + ".properties")
        settings = self.config | {"log.dir": str(self.data_dir)}
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return [sys.executable, "-m", "odradek_cli", "broker", "--config", str(file)]


def guarded(contender: Contender, protocol: str, more: Mapping[str, str]) -> tuple[BrokerProcess, int]:
    """A broker like this one, with another listener of that security protocol, and its port. `more` are settings."""
    broker, port = contender.broker, free_ports(1)[0]
    addresses = f"PLAINTEXT://{broker.bootstrap},GUARDED://127.0.0.1:{port}"
    settings = {
        "listeners": addresses,
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,GUARDED:{protocol},CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        **more,
    }
    if isinstance(broker, ApacheKafka):
        controller = f",CONTROLLER://127.0.0.1:{broker._controller_port}"
        broker.config.update(settings | {"listeners": addresses + controller, "advertised.listeners": addresses})
        return broker, port
    broker.data_dir.parent.mkdir(parents=True, exist_ok=True)
    return Guarded(broker.data_dir, broker.config | settings, broker.port), port
