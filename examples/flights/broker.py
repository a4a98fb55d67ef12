"""A broker of our own for a while: a child process with a data directory that goes with it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_TIMEOUT_S = 30


@dataclass
class RunningBroker:
    bootstrap: str
    data_dir: Path
    start_s: float
    """From the start of the process until it was ready."""


@contextmanager
def running_broker() -> Iterator[RunningBroker]:
    """`odradek up` on a free port, stopped in the end. Raises RuntimeError where it does not get ready."""
    with tempfile.TemporaryDirectory(prefix="odradek-flights-", ignore_cleanup_errors=True) as directory:
        began = time.perf_counter()
        command = [sys.executable, "-m", "odradek_cli", "up", "--port", "0", "--data-dir", directory]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield RunningBroker(_wait_until_ready(process), Path(directory), time.perf_counter() - began)
            finally:
                process.terminate()
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        word, _, address = line.strip().partition(" ")
        if word == "ready":
            return address
    raise RuntimeError(f"the broker ended with status {process.wait()} before it was ready")
