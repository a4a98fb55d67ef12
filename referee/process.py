"""A broker as a child process: started, awaited, stopped, killed, and listened to.

Invariants
    `start` returns when a client would succeed: the broker itself said so on a line of its output.
    Every line that it printed is kept in `lines`, across restarts, for the reader of a failure.
    A process that was started is gone when the `with` block is left, whatever happened inside.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from odradek.testing.ports import free_ports

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30


class BrokerStartError(Exception):
    """The broker ended, or stayed silent, before it was ready; the message ends with what it printed."""


class BrokerProcess:
    """One broker on 127.0.0.1. Subclasses say how it is started and by how many lines of which kind it is ready."""

    name: str
    ready_line: re.Pattern[str]
    ready_lines = 1

    def __init__(self, data_dir: Path, config: Mapping[str, str] | None = None, port: int | None = None) -> None:
        """`config` holds broker settings under Kafka's names; `port` is a free one unless given."""
        self.data_dir = data_dir
        self.config = dict(config or {})
        self.port = port or free_ports(1)[0]
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def data_dirs(self) -> list[Path]:
        """As a cluster has several."""
        return [self.data_dir]

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        """As a cluster has several."""
        return [self.pid]

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str] | None:
        return None

    def start(self) -> None:
        """Spawn and wait until ready. Raises BrokerStartError."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Start the process and return at once."""
        self._ready = threading.Event()
        self._lines_before = len(self.lines)
        self._process = subprocess.Popen(
            self.command(),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert self._process.stdout is not None
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def wait_ready(self) -> None:
        """Raises BrokerStartError when the process ends or START_TIMEOUT_SECONDS pass first."""
        came = self._ready.wait(START_TIMEOUT_SECONDS)
        if came and self._ready_lines_seen() >= self.ready_lines:
            return
        self.kill()
        raise BrokerStartError(
            f"{self.name} was not ready; it said:\n" + "".join(self.lines[self._lines_before :][-40:])
        )

    def terminate(self) -> None:
        """SIGTERM, and return at once; `stop` waits."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> int:
        """SIGTERM, then wait. Gives the exit status; a process that ignores it is killed."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL, then wait."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            status = process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        self._listener.join()
        if process.stdout is not None:
            process.stdout.close()
        return status

    def _ready_lines_seen(self) -> int:
        return sum(self.ready_line.search(line) is not None for line in self.lines[self._lines_before :])

    def _listen(self, output: Iterable[str]) -> None:
        for line in output:
            self.lines.append(line)
            if self.ready_line.search(line) and self._ready_lines_seen() >= self.ready_lines:
                self._ready.set()
        self._ready.set()  # the process ended: whoever waits must look

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
