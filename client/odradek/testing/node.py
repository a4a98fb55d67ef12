"""One process of a cluster: started, killed, paused, stopped."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from enum import Enum
from pathlib import Path

import trio

from odradek.testing.links import Front

STARTS_WITHIN_SECONDS = 120.0
STOPS_WITHIN_SECONDS = 20.0
READY = b"ready "
LOG_FILE, PID_FILE = "server.log", "pid"


class NodeFailed(Exception):
    """A process that was started ended, or did not become ready."""


class State(Enum):
    UP = "up"
    PAUSED = "paused"
    DOWN = "down"


class Node:
    """A broker or a controller. Its files are in `directory`: data, the process id, and what it says in server.log."""

    def __init__(
        self, name: str, directory: Path, host: str, port: int, settings: dict[str, str], config: Path | None = None
    ) -> None:
        """`settings`: all that the process needs to know, beside what is in the file `config`."""
        self.name = name
        self.directory = directory
        self.host = host
        self.port = port
        self.settings = settings
        self.config = config
        self.environment: dict[str, str] = {}
        """What the next start has beside what we have ourselves."""
        self.front: Front | None = None
        """What stands between it and the others, where the network is to fail."""
        self._process: trio.Process | None = None
        self._paused = False
        self._crash: int | None = None

    def __repr__(self) -> str:
        return f"<{self.name} {self.address} {self.state.value}>"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """None while it is down."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def state(self) -> State:
        if self.pid is None:
            return State.DOWN
        return State.PAUSED if self._paused else State.UP

    async def start(self) -> None:
        """Return when clients would succeed. Raises NodeFailed."""
        if self.pid is not None:
            raise NodeFailed(f"{self.name} is running already")
        self._notice_crash()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._paused = False
        with (self.directory / LOG_FILE).open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                self._command(),
                stdin=subprocess.PIPE,  # it stops when we are gone
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop them one after the other
                env=_environment() | self.environment,
            )
        (self.directory / PID_FILE).write_text(f"{self._process.pid}\n")
        if self.front is not None:
            self.front.open()
        with trio.move_on_after(STARTS_WITHIN_SECONDS):
            if await self._says_ready():
                return
        if self.pid is not None:
            self.kill()
        self._notice_crash()
        raise NodeFailed(f"{self.name} did not start: {self._last_words()}")

    def take_crash(self) -> int | None:
        """The exit code of a process that ended by itself since this was asked last; None where none did."""
        self._notice_crash()
        crash, self._crash = self._crash, None
        return crash

    def _notice_crash(self) -> None:
        if self._process is not None and self._process.returncode is not None:
            self._crash = self._process.returncode
            self._ended()

    def kill(self) -> None:
        """SIGKILL: as if the power of this process were cut."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)  # a moment, and `start` may follow
        self._ended()

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        self._signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self._paused = False

    def fill_disk(self) -> None:
        """From now on no file of the process can grow, as on a full disk. Linux only."""
        self._limit_files(0)

    def free_disk(self) -> None:
        """There is room again."""
        if hasattr(resource, "prlimit"):
            self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size_bytes: int) -> None:
        if self.pid is None:
            raise NodeFailed(f"{self.name} is not running")
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    async def stop(self) -> None:
        """SIGTERM, and wait until it has ended. Killed if that takes too long.

        Carried to its end even if it is cancelled: whoever heals a cluster next would take the node for one that runs.
        """
        if self.pid is None:
            return
        if self._paused:
            self.resume()
        self._signal(signal.SIGTERM)
        assert self._process is not None
        with trio.move_on_after(STOPS_WITHIN_SECONDS, shield=True) as patience:
            await self._process.wait()
        if patience.cancelled_caught:
            self.kill()
        else:
            self._ended()

    def _ended(self) -> None:
        process, self._process, self._paused = self._process, None, False
        if self.front is not None:
            self.front.close()
        assert process is not None
        assert process.returncode is not None
        (self.directory / PID_FILE).unlink(missing_ok=True)  # by now the number may be another's
        for stream in (process.stdin, process.stdout):
            if isinstance(stream, trio.lowlevel.FdStream):
                stream.close()

    def _command(self) -> list[str]:
        file = [] if self.config is None else [f"--config={self.config}"]
        pairs = [f"--set={key}={value}" for key, value in self.settings.items()]
        return [sys.executable, "-m", "odradek_cli", "broker", "--with-parent", *file, *pairs]

    async def _says_ready(self) -> bool:
        assert self._process is not None
        assert self._process.stdout is not None
        said = b""
        while chunk := await self._process.stdout.receive_some():
            said += chunk
            if said.startswith(READY) and said.endswith(b"\n"):
                return True
        return False

    def _last_words(self) -> str:
        lines = (self.directory / LOG_FILE).read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def _signal(self, number: int) -> None:
        if self.pid is None:
            raise NodeFailed(f"{self.name} is not running")
        os.kill(self.pid, number)


def _environment() -> dict[str, str]:
    """Without settings of the person's own: a cluster is what it was made to be."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ODRADEK_")}
