"""Ways to call the command: as a script does, at a terminal, and within this process."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import pytest

from odradek_cli.main import main

Run = Callable[..., subprocess.CompletedProcess[str]]

PATIENCE_SECONDS = 60


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "odradek_cli", *words]


def call_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, without a process of its own."""
    monkeypatch.setattr(sys, "argv", ["odradek", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


class AtTerminal:
    """The command as it runs at a terminal of so many columns; what it writes arrives in `read`."""

    def __init__(self, *words: str, columns: int = 80) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            command(*words),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(slave)
        self.seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read_until(self, text: str) -> str:
        """All that has been written so far, when that is there."""
        while text.encode() not in self.seen:
            chunk = os.read(self._master, 65536)
            assert chunk, self.seen
            self.seen += chunk
        return self.seen.decode()

    def end(self) -> tuple[int, str]:
        """The exit code, and all that was written, when it has ended."""
        with suppress(OSError):  # the other side has closed
            while chunk := os.read(self._master, 65536):
                self.seen += chunk
        return self._process.wait(PATIENCE_SECONDS), self.seen.decode()
