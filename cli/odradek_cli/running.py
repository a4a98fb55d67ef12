"""The brokers that `odradek up` runs on this machine, as they announce themselves: a file for each such process.

A file says where the data is, where clients begin, where etcd is if there is one, and the Unix socket at which
`odradek node` is answered, which a single broker does not have.

All of them are in one directory of this user's: under XDG_RUNTIME_DIR, else under the system's temporary directory,
where anybody could have made one of that name. So nothing is written to it or believed of it unless it is a directory,
this user's own, and nobody else may write there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from odradek_cli.failures import Failed


class NoCluster(Failed):
    """There is none to talk to, or it cannot be told which is meant."""


class Running(msgspec.Struct, frozen=True):
    """What one `odradek up` says of itself."""

    data_dir: str
    bootstrap: str
    """HOST:PORT of each broker, by comma."""
    socket: str | None = None
    etcd: str | None = None
    profile: str | None = None
    """The file that says how its administrator connects, where one has to log in."""


def registry() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return Path(runtime) / "odradek"
    return Path(tempfile.gettempdir()) / f"odradek-{os.getuid()}"


def _refuse_others(directory: Path) -> None:
    """Raises FileNotFoundError, and PermissionError for a directory that somebody else has, or may write to."""
    found = directory.lstat()
    what = None
    if not stat.S_ISDIR(found.st_mode):
        what = "is no directory"
    elif found.st_uid != os.getuid():
        what = "belongs to another user"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = "may be written to by other users"
    if what is not None:
        raise PermissionError(
            f"{directory} {what}, so it is not trusted: remove it, or set XDG_RUNTIME_DIR to a directory of your own"
        )


@contextlib.contextmanager
def announced(
    data_dir: Path,
    bootstrap: str,
    *,
    etcd: str | None = None,
    profile: str | None = None,
    has_socket: bool = False,
) -> Iterator[Path]:
    """Let this process be found; the path is that of its socket. Raises OSError."""
    directory = registry()
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    _refuse_others(directory)
    entry, path = directory / f"{os.getpid()}.json", directory / f"{os.getpid()}.sock"
    path.unlink(missing_ok=True)
    said = Running(str(data_dir.resolve()), bootstrap, str(path) if has_socket else None, etcd, profile)
    entry.write_bytes(msgspec.json.encode(said))
    try:
        yield path
    finally:
        entry.unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def all_running() -> list[Running]:
    """Raises Failed where what is said of them is not to be believed."""
    directory, found = registry(), []
    try:
        _refuse_others(directory)
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise Failed(str(error)) from None
    for entry in sorted(directory.glob("*.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            if _is_alive(entry):
                found.append(msgspec.json.decode(entry.read_bytes(), type=Running))
    return found


def find_cluster(data_dir: str | None) -> Running:
    """The cluster of several processes that runs, or that on this data directory. Raises NoCluster."""
    running = [each for each in all_running() if each.socket is not None]
    if data_dir is not None:
        wanted = str(Path(data_dir).resolve())
        running = [each for each in running if each.data_dir == wanted]
    if not running:
        raise NoCluster("no cluster runs here; start one with odradek up --brokers 3")
    if len(running) > 1:
        known = ", ".join(each.data_dir for each in running)
        raise NoCluster(f"several clusters run here: say which by its data directory ({known})")
    return running[0]


def _is_alive(entry: Path) -> bool:
    try:
        os.kill(int(entry.stem), 0)
    except (ProcessLookupError, ValueError):
        entry.unlink(missing_ok=True)
        return False
    except PermissionError:
        pass
    return True
