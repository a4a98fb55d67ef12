"""Ways to call the command: as a script does, at a terminal, and within this process."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from typing import IO, NamedTuple, Self
from unittest import mock

import pytest

from odradek_cli.main import main

PATIENCE_SECONDS = 60


class Done(NamedTuple):
    """What became of a command."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "odradek_cli", *words]


def call(*words: str, stdin: str | bytes = "") -> Done:
    """The command without a process of its own: its standard streams are files meanwhile."""
    with ExitStack() as stack:
        given, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(stdin if isinstance(stdin, bytes) else stdin.encode())
        given.seek(0)
        code = _code_of(words, given.fileno(), out.fileno(), err.fileno())
        return Done(code, _content(out), _content(err))


def call_at_terminal(*words: str, columns: int, stdin: str = "") -> tuple[int, str]:
    """The same with a terminal of so many columns to write to: the exit code, and all that it showed."""
    seen: list[bytes] = []
    with tempfile.TemporaryFile() as given, mock.patch.dict(os.environ):
        os.environ.pop("COLUMNS", None)  # which would count for more than the terminal
        given.write(stdin.encode())
        given.seek(0)
        master, slave = _terminal(columns)
        reader = threading.Thread(target=_read_all, args=(master, seen))
        reader.start()
        try:
            code = _code_of(words, given.fileno(), slave, slave)
        finally:
            os.close(slave)
            reader.join()
            os.close(master)
    return code, b"".join(seen).decode()


def _code_of(words: Sequence[str], *descriptors: int) -> int:
    """The command's exit code; its standard streams are these."""
    with ExitStack() as stack:
        for standard, descriptor in enumerate(descriptors):
            kept = os.dup(standard)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, standard)
            os.dup2(descriptor, standard)
        with (
            open(0, closefd=False) as standard_input,
            open(1, "w", closefd=False) as stdout,
            open(2, "w", closefd=False) as stderr,
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            mock.patch.object(sys, "stdin", standard_input),
            mock.patch.object(sys, "argv", ["odradek", *words]),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code


def _terminal(columns: int) -> tuple[int, int]:
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return master, slave


def _read_all(master: int, seen: list[bytes]) -> None:
    with suppress(OSError):  # the other side has closed
        while chunk := os.read(master, 65536):
            seen.append(chunk)


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class AtTerminal:
    """The command as it runs at a terminal of so many columns; what it writes arrives in `read`."""

    def __init__(self, *words: str, columns: int = 80) -> None:
        self._master, slave = _terminal(columns)
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
            chunk = self._read()
            assert chunk, self.seen
            self.seen += chunk
        return self.seen.decode()

    def _read(self) -> bytes:
        readable, _, _ = select.select([self._master], [], [], PATIENCE_SECONDS)
        assert readable, self.seen
        return os.read(self._master, 65536)

    def end(self) -> tuple[int, str]:
        """The exit code, and all that was written, when it has ended."""
        with suppress(OSError):  # the other side has closed
            while chunk := self._read():
                self.seen += chunk
        return self._process.wait(PATIENCE_SECONDS), self.seen.decode()
