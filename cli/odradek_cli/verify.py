"""What `odradek log verify` looks at, by what a path is: a segment, a partition, a data directory, or a cluster's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import BatchHeader
from odradek.protocol.records.record import decode_batch
from odradek_broker.apis.internal_records import fault_of
from odradek_broker.controller.frame import unframe
from odradek_broker.controller.history import NO_OFFSET
from odradek_broker.controller.image import INTERNAL_TOPICS, METADATA_TOPIC
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.controller.journal_files import examine
from odradek_broker.log import filenames
from odradek_broker.log.checkpoints import decode_seen_metadata
from odradek_broker.log.directory import META_PROPERTIES, SEEN_METADATA
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.verification import (
    BatchFault,
    Checked,
    Claims,
    claims_of,
    verify_directory,
    verify_partition,
    verify_segment,
)
from odradek_broker.ports.disk import RealDisk

_NO_CLAIMS = Claims({}, {})


def verify_path(path: Path) -> Iterator[Checked]:
    """Every file there. Raises OSError.

    A broker that runs may remove any directory below meanwhile, with its topic: what is gone is passed over.
    """
    disk = RealDisk()
    if path.is_file():
        yield verify_segment(disk, str(path)).checked
        return
    if path.resolve().name == f"{METADATA_TOPIC}-0":
        yield from _metadata(disk, str(path))
    is_data_directory = (path / META_PROPERTIES).exists()
    if is_data_directory:
        yield from verify_directory(disk, str(path))
    if any(each.suffix == filenames.LOG for each in path.iterdir()):
        claims = claims_of(disk, str(path.parent)) if (path.parent / META_PROPERTIES).exists() else _NO_CLAIMS
        yield from verify_partition(disk, str(path), claims, _content_fault(path.resolve().name))
    for each in sorted(path.iterdir()):
        if each.is_dir():
            try:
                yield from verify_path(each)
            except FileNotFoundError:
                if each.exists():
                    raise


def _content_fault(directory: str) -> BatchFault | None:
    """What the records of a topic of our own have to be."""
    topic, _ = filenames.topic_partition_of(directory) or ("", 0)
    if topic not in (METADATA_TOPIC, *INTERNAL_TOPICS):
        return None

    def fault(batch: Buffer, header: BatchHeader) -> str | None:
        for record in decode_batch(batch):
            why = _metadata_fault(record.value) if topic == METADATA_TOPIC else fault_of(topic, record)
            if why is not None:
                return f"record {record.offset} cannot be understood: {why}"
        return None

    return fault


def _metadata_fault(value: bytes | None) -> str | None:
    try:
        unframe(value or b"")
    except ProtocolError as error:
        return str(error)
    return None


def _seen_offset(disk: RealDisk, path: str) -> int:
    """How far the node has acted upon the metadata, where that reads back."""
    try:
        note = disk.read_file(os.path.join(os.path.dirname(os.path.abspath(path)), SEEN_METADATA))
        return decode_seen_metadata(note)[0]
    except (OSError, CorruptCheckpoint):
        return NO_OFFSET


def _metadata(disk: RealDisk, path: str) -> Iterator[Checked]:
    """What its files together amount to, and the snapshots, which lie in no segment."""
    try:
        files = examine(disk, path, clean=False, seen_offset=_seen_offset(disk, path))
    except JournalDamaged as error:
        yield Checked(path, 0, [str(error)])
        return
    faults = [*files.bad_snapshots, *([] if files.torn is None else [f"{files.torn}, as a crash may leave it"])]
    yield Checked(path, 0, faults)
    if files.snapshot is not None:
        name = os.path.join(path, files.snapshot.id.file_name)
        yield Checked(name, disk.size(name), [], records=len(files.snapshot.records))
