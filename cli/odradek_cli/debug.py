"""`odradek debug bundle`: what somebody who is to help has to see, in one file.

Invariant: no record, no key and no secret is in it. Values of what may be a secret are crossed out, in the logs too.
"""

from __future__ import annotations

import io
import os
import platform
import re
import sys
import tarfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import msgspec
import trio

from odradek import Admin, OdradekError, ResourceType, __version__
from odradek_cli.command import Group, Option
from odradek_cli.running import all_running
from odradek_cli.session import DEFAULT_BOOTSTRAP, Bootstrap, run, security_for

debug = Group("debug", "For whoever is to help.")

MAX_LOG_BYTES = 2_000_000
"""Of each log the end is taken."""
PATIENCE_MS = 3000
"""There may be nobody there: often that is why."""
PACKAGES = ("trio", "msgspec", "zstandard", "cramjam", "crc32c")

_secret_name = re.compile(r"password|secret|token|jaas|credential|private", re.IGNORECASE)
_secret_in_text = re.compile(
    r"(?i)([\w.-]*(?:password|secret|token|jaas|credential)[\w.-]*[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
)
_login_in_address = re.compile(r"(?<=://)[^/\s@]+@")


class Bundle:
    """Files of a tar archive, put together in memory."""

    def __init__(self) -> None:
        self._content = io.BytesIO()
        self._archive = tarfile.open(fileobj=self._content, mode="w:gz")  # noqa: SIM115 - closed by `finish`
        self.missing: list[str] = []
        """What could not be had, and why."""

    def add(self, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(f"odradek-debug/{name}")
        entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
        self._archive.addfile(entry, io.BytesIO(content))

    def add_json(self, name: str, value: Any) -> None:
        self.add(name, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")

    def finish(self) -> bytes:
        self.add("missing.txt", "".join(line + "\n" for line in self.missing).encode())
        self._archive.close()
        return self._content.getvalue()


@debug.command()
def bundle(
    output: Annotated[Path | None, Option("--output", "-o", help="The file; else odradek-debug-TIME.tar.gz.")] = None,
    data_dir: Annotated[
        Path | None, Option(help="Take the logs below this directory; else of what `odradek up` runs here.")
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Write versions, metadata, settings and the ends of logs into one archive; no records, no secrets."""
    made = Bundle()
    made.add_json("versions.json", _versions())
    directories = [data_dir] if data_dir is not None else [Path(each.data_dir) for each in all_running()]
    for directory in directories:
        _add_logs(made, directory)

    async def work() -> None:
        try:
            async with Admin(bootstrap, security=security_for(bootstrap), connect_timeout_ms=PATIENCE_MS) as admin:
                await _add_cluster(made, admin)
        except OdradekError as error:
            made.missing.append(f"the cluster at {bootstrap}: {error}")

    run(work)
    path = output or Path(f"odradek-debug-{time.strftime('%Y%m%dT%H%M%S')}.tar.gz")
    with open(path, "xb", opener=_private) as file:
        file.write(made.finish())
    print(path)
    for line in made.missing:
        print(f"odradek: left out: {without_secrets(line)}", file=sys.stderr)


def without_secrets(text: str) -> str:
    """With what stands behind a secret's name, or as a login in an address, crossed out."""
    return _login_in_address.sub("***@", _secret_in_text.sub(r"\1***", text))


def _versions() -> dict[str, Any]:
    packages: dict[str, str] = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    return {"odradek": __version__, "python": sys.version, "platform": platform.platform(), "packages": packages}


def _add_logs(made: Bundle, directory: Path) -> None:
    for path in sorted([*directory.glob("server.log"), *directory.glob("*/server.log")]):
        try:
            content = path.read_bytes()[-MAX_LOG_BYTES:]
        except OSError as error:
            made.missing.append(f"{path}: {error}")
            continue
        name = f"logs/{directory.name}/{path.relative_to(directory)}"
        made.add(name, without_secrets(content.decode("utf-8", "replace")).encode())


async def _add_cluster(made: Bundle, admin: Admin) -> None:
    cluster = await admin.describe_cluster()
    made.add_json("cluster.json", cluster)
    for broker in cluster.brokers:
        name = f"settings/broker-{broker.node_id}.json"
        await _add(made, name, partial(_settings, admin, str(broker.node_id), ResourceType.BROKER))
    names = await admin.list_topics(internal=True)
    topics = await admin.describe_topics(*names) if names else {}
    made.add_json("topics.json", {name: topic.partitions for name, topic in topics.items()})
    for name in names:
        await _add(made, f"settings/topic-{name}.json", partial(_settings, admin, name, ResourceType.TOPIC))
    await _add(made, "groups.json", admin.list_groups)
    await _add(made, "loops.json", admin.loops)


async def _add(made: Bundle, name: str, get: Callable[[], Awaitable[Any]]) -> None:
    """What a broker refuses is left out, and the rest goes on."""
    try:
        made.add_json(name, await get())
    except (OdradekError, trio.TooSlowError) as error:
        made.missing.append(f"{name}: {error}")


async def _settings(admin: Admin, name: str, kind: ResourceType) -> dict[str, dict[str, str | None]]:
    entries = await admin.describe_configs(name, kind)
    return {
        entry.name: {
            "value": None if entry.value is None else _value(entry.name, entry.value, entry.is_sensitive),
            "source": entry.source.name,
        }
        for entry in entries.values()
    }


def _value(name: str, value: str, is_sensitive: bool) -> str:
    return "***" if is_sensitive or _secret_name.search(name) else without_secrets(value)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
