"""`odradek log`: look into segment files, with the broker down or not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import decode_batch
from odradek_broker.log.verification import Checked
from odradek_cli.command import Argument, Group, Option, UsageError
from odradek_cli.display import Table, show
from odradek_cli.failures import Failed
from odradek_cli.segment_files import batches_of
from odradek_cli.session import AsJson
from odradek_cli.strays import strays
from odradek_cli.verify import verify_path

log = Group("log", "Segment files.")
log.command()(strays)

Paths = Annotated[list[Path], Argument("Segment files, partition directories, or a whole data directory.")]
COLUMNS = ["file", "position", "base_offset", "last_offset", "records", "codec", "bytes", "epoch", "timestamp"]


@log.command()
def dump(
    paths: Paths,
    records: Annotated[bool, Option("--records", "-r", help="The records too, one JSON object a line.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the record batches of segments; exit with 1 where there is something else too."""
    for path in _segments(paths):
        rows: list[dict[str, Any]] = []
        end = 0
        try:
            for position, header, batch in batches_of(path):
                if records:
                    _dump_records(batch)
                else:
                    rows.append(_row(path, position, header))
                end = position + header.size_bytes
            if end < path.stat().st_size:
                raise Failed(f"{path}: {path.stat().st_size - end} bytes behind the last whole batch")
        except ProtocolError as error:
            raise Failed(f"{path}: not a segment, or damaged, from position {end} on: {error}") from None
        finally:
            if not records:
                show(COLUMNS, rows, as_json=as_json)


@log.command()
def verify(paths: Paths, as_json: AsJson = False) -> None:
    """Check that everything reads back, a line for each file and finding; exit with 1 where something does not.

    Of a data directory every file: segments, indexes, snapshots, checkpoints, the metadata, what internal topics hold.
    """
    is_sound = True
    table = Table(["file", "batches", "records", "bytes", "fault"], as_json=as_json)
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        for checked in verify_path(path):
            table.show(_rows(checked))
            is_sound = is_sound and not checked.faults
    if not is_sound:
        raise SystemExit(1)


def _segments(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        yield from [path] if path.is_file() else sorted(path.rglob("*.log"))


def _row(path: Path, position: int, header: BatchHeader) -> dict[str, Any]:
    return {
        "file": str(path),
        "position": position,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "records": header.record_count,
        "codec": Codec(header.codec).name.lower(),
        "bytes": header.size_bytes,
        "epoch": header.partition_leader_epoch,
        "timestamp": header.max_timestamp,
    }


def _dump_records(batch: memoryview) -> None:
    for record in decode_batch(batch):
        line = {
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": _readable(record.key),
            "value": _readable(record.value),
            "headers": {name: _readable(value) for name, value in record.headers},
        }
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def _rows(checked: Checked) -> list[dict[str, Any]]:
    said = {"file": checked.path, "batches": checked.batches, "records": checked.records, "bytes": checked.size_bytes}
    return [{**said, "fault": fault} for fault in checked.faults] or [{**said, "fault": None}]


def _readable(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")
