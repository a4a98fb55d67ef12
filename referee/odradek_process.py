"""Odradek's broker, and a cluster of them, as a child process, started the way a user starts it."""

from __future__ import annotations

import os
import re
import sys

from referee.process import BrokerProcess


class Odradek(BrokerProcess):
    """`odradek up` on a free port; settings travel in the environment (`ODRADEK_LOG_SEGMENT_BYTES`)."""

    name = "Odradek"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")

    def command(self) -> list[str]:
        where = ["--port", str(self.port), "--data-dir", str(self.data_dir)]
        return [sys.executable, "-m", "odradek_cli", "up", *where]

    def environment(self) -> dict[str, str]:
        settings = {f"ODRADEK_{key.upper().replace('.', '_')}": value for key, value in self.config.items()}
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        return {**inherited, "PYTHONUNBUFFERED": "1", **settings}  # compiled once, as any installed package is


class OdradekUp(BrokerProcess):
    """`odradek up --brokers 3` on free ports: one process that starts the others. Ready when it has named all three."""

    name = "Odradek, three brokers"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")
    ready_lines = 3

    def command(self) -> list[str]:
        settings = [f"--set={key}={value}" for key, value in self.config.items()]
        where = ["--brokers", "3", "--port", "0", "--data-dir", str(self.data_dir)]
        return [sys.executable, "-m", "odradek_cli", "up", *where, *settings]
