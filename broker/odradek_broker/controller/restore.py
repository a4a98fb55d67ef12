"""A journal anew, out of what brokers still know and what its files still show.

Every node that follows the metadata has all of it in memory. The newest of these images, or the one that the journal's
own sound beginning makes, is carried on by the sound decisions behind the damage. What comes of it must reach as far as
the files show that decisions were made: else somebody who knows more has to be asked.

It is written as a snapshot, in one stroke, beside the damaged log, which is then not needed any more. Its offset lies
far behind all that anybody can have seen, so that every node takes it for the newest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, structs

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.record import decode_batch
from odradek_broker.controller.frame import unframe
from odradek_broker.controller.history import NO_EPOCH
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal_files import batches_behind, newest_snapshot, segments_of, snapshots_of
from odradek_broker.controller.replay import replay
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.snapshot_file import SnapshotId, encode_snapshot
from odradek_broker.log import filenames
from odradek_broker.ports.disk import Disk

LEAP = 1_000_000
"""How far behind the newest offset that is known the metadata goes on."""


class CannotRestore(Exception):
    """What was found is not all that was decided, or not of one cluster."""


class Known(Struct, frozen=True):
    """What somebody knows of the metadata."""

    by: str
    image: MetadataImage
    epoch: int
    """Of the image's last record."""

    @property
    def age(self) -> tuple[int, int]:
        """The newer, the greater."""
        return self.epoch, self.image.offset


class Decision(Struct, frozen=True):
    """A batch of the log that is sound."""

    base_offset: int
    last_offset: int
    epoch: int
    records: list[Struct]


class Remains(Struct, frozen=True):
    """What the files of a journal still show."""

    beginning: Known | None
    """What snapshot and log make as far as they are sound."""
    decisions: list[Decision]
    proven_end: int
    """Behind the last offset of which they show that it was decided."""

    @property
    def epoch(self) -> int:
        """The last of which they show anything."""
        return max([NO_EPOCH, *(each.epoch for each in self.decisions)])


def remains_of(disk: Disk, directory: str, cluster_id: str) -> Remains:
    """Raises OSError."""
    snapshot, _ = newest_snapshot(disk, directory)
    decisions = sorted(_decisions(disk, directory), key=lambda each: each.base_offset)
    ends = [*(each.last_offset + 1 for each in decisions), *(id.end_offset for id in snapshots_of(disk, directory)), 0]
    empty = MetadataImage(cluster_id=cluster_id)
    known = Known("the journal itself", empty, NO_EPOCH)
    if snapshot is not None:
        image = replay(empty, snapshot.records, snapshot.id.end_offset - 1)
        known = Known(known.by, image, snapshot.id.epoch)
    known = carried_on(known, decisions)
    return Remains(known if known.image.offset >= 0 else None, decisions, max(ends))


def choose(known: Sequence[Known], remains: Remains, cluster_id: str, *, even_if_less: bool = False) -> Known:
    """The newest of what is known, carried on as far as possible. `cluster_id`: of the directory, or empty.

    Raises CannotRestore; with `even_if_less` not because more was decided than anybody knows.
    """
    ids = {each.image.cluster_id for each in known} | ({cluster_id} if cluster_id else set())
    if len(ids) > 1:
        raise CannotRestore(
            f"these are of different clusters: {', '.join(sorted(ids))}. Where the controller has begun another one, "
            "move its data directory away first"
        )
    candidates = [each for each in (*known, remains.beginning) if each is not None and each.image.offset >= 0]
    if not candidates:
        raise CannotRestore("nobody that was asked knows anything of the metadata")
    newest = max((carried_on(each, remains.decisions) for each in candidates), key=lambda each: each.age)
    if newest.image.offset + 1 < remains.proven_end and not even_if_less:
        raise CannotRestore(
            f"the journal shows that offset {remains.proven_end - 1} was decided, and nobody that was asked knows more "
            f"than offset {newest.image.offset}: ask the other brokers too"
        )
    return newest


def carried_on(known: Known, decisions: Iterable[Decision]) -> Known:
    """With the decisions that follow it without a gap."""
    image, epoch = known.image, known.epoch
    for each in decisions:
        if each.base_offset == image.offset + 1 and each.epoch >= epoch:
            try:
                image = replay(image, each.records, each.last_offset)
            except (AssertionError, KeyError):
                break  # they are of another history
            epoch = each.epoch
    return Known(known.by, image, epoch)


def write(disk: Disk, directory: str, newest: Known, remains: Remains, now_ms: int) -> SnapshotId:
    """Blocking; nobody else may use the directory. Raises OSError, and then everything is as before."""
    id = SnapshotId(max(newest.image.offset + 1, remains.proven_end) + LEAP, max(newest.epoch, remains.epoch, 0))
    image = structs.replace(newest.image, offset=id.end_offset - 1)
    disk.make_dirs(directory)
    disk.sync_dir(os.path.dirname(directory))
    disk.replace_file(os.path.join(directory, id.file_name), encode_snapshot(id, records_of(image), now_ms))
    return id


def set_aside(disk: Disk, directory: str, mark: str) -> str | None:
    """Copy the files of a journal, for whoever wants to know what has happened; return where. Raises OSError."""
    if not disk.exists(directory):
        return None
    copy = f"{directory}.{mark}-damaged"
    disk.make_dirs(copy)
    for name in disk.list(directory):
        disk.replace_file(os.path.join(copy, name), disk.read_file(os.path.join(directory, name)))
    return copy


def _decisions(disk: Disk, directory: str) -> Iterator[Decision]:
    for base in segments_of(disk, directory):
        data = disk.read_file(os.path.join(directory, filenames.segment_file(base, filenames.LOG)))
        for position, header in batches_behind(data, 0):
            try:
                batch = [] if header.is_control else decode_batch(data, position)
                records = [unframe(record.value or b"") for record in batch]
            except ProtocolError:
                continue
            yield Decision(header.base_offset, header.last_offset, header.partition_leader_epoch, records)
