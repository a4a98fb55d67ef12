"""`odradek log strays`: what a broker has set aside, and the removal of it. The broker may run or not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from odradek_broker.log.strays import Stray, find_strays, remove_stray
from odradek_broker.ports.disk import RealDisk
from odradek_cli.command import Option, UsageError
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import AsJson

COLUMNS = ["path", "topic", "partition", "bytes"]


def strays(
    data_dir: Annotated[
        Path, Option("--data-dir", "-d", help="A broker's data directory, or a cluster's with one for each.")
    ] = Path(),
    remove: Annotated[bool, Option("--remove", help="Remove them, with all that is in them, after asking.")] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the directories of replicas that were set aside because no broker was to have them there, or remove them."""
    if not data_dir.is_dir():
        raise UsageError(f"{data_dir} is not a directory")
    disk = RealDisk()
    directories = [data_dir, *sorted(each for each in data_dir.iterdir() if each.is_dir())]
    found = [stray for each in directories for stray in find_strays(disk, str(each))]
    show(COLUMNS, [_row(stray) for stray in found], as_json=as_json)
    if remove and found and (yes or _is_meant(found)):
        for stray in found:
            remove_stray(disk, stray.path)


def _is_meant(found: list[Stray]) -> bool:
    size_bytes = sum(stray.size_bytes for stray in found)
    question = f"Remove {len(found)} directories with {size_bytes} bytes for good? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failed("nothing was removed")
    return True


def _row(stray: Stray) -> dict[str, Any]:
    partition = stray.partition if stray.partition >= 0 else None
    return {"path": stray.path, "topic": stray.topic, "partition": partition, "bytes": stray.size_bytes}
