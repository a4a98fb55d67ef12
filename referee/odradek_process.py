"""Odradek's broker as a child process, started the way a user starts it."""

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
