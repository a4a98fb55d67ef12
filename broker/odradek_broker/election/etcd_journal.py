"""The metadata's journal in etcd, for a cluster with several controllers of which one is active.

    <prefix>/cluster-id           made by whoever comes first
    <prefix>/leader               the active controller, under its lease
    <prefix>/longest-session-ms   of all that have been that: candidate.py says what for
    <prefix>/log/<offset>         the records of one decision, by the offset of the last of them
    <prefix>/snapshot             which snapshot holds: its offset, and how many parts it has
    <prefix>/parts/<offset>/<n>   its parts; others are what was left of one that did not come about

Every write is a transaction on condition that the leader's key is still the one that this controller has created: a
controller that was paused, and has been replaced, can change nothing. Any write may be carried out again later, by a
member of etcd that stood still: a decision's has the condition that nothing is at its offset; a snapshot takes the
place of the very one that it was to replace, or of none. Values are framed records, compressed together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek_broker.controller.frame import frame, unframe
from odradek_broker.controller.history import History
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import Entry
from odradek_broker.controller.snapshot import records_of
from odradek_broker.election.etcd import (
    Created,
    Etcd,
    EtcdFull,
    EtcdUnavailable,
    KeyValue,
    Unchanged,
    end_of_prefix,
)
from odradek_broker.log.failures import LogFailed

RECORDS_BETWEEN_SNAPSHOTS = 5_000
PART_RECORDS = 5_000
MAX_VALUE_BYTES = 1_400_000
"""etcd refuses requests of more than 1.5 MiB. A decision about 50,000 partitions has a fifth of that."""
REPLACED = "another controller has taken over"


class Deposed(LogFailed):
    """Another controller has taken over."""


class Snapshot(Struct, frozen=True):
    offset: int
    parts: int


class _Written(Struct, frozen=True):
    """A snapshot whose parts are there, and that nothing points to yet."""

    snapshot: Snapshot
    replaced_revision: int
    """Of the snapshot in whose place it is to be put; 0 where there was none."""


class EtcdJournal:
    """Of the controller that has created the leader's key at that revision."""

    history = History([(0, 0)])
    """etcd keeps what it has acknowledged: there is one epoch."""
    torn = None

    def __init__(self, etcd: Etcd, prefix: str, leader_revision: int) -> None:
        self._etcd = etcd
        self._prefix = prefix
        self._still_leading = Created(leader_key(prefix), leader_revision)
        self._next_offset = 0
        self._since_snapshot = 0
        self._failed: str | None = None
        self._written: _Written | None = None

    def replay(self) -> Iterator[Entry]:
        snapshot, parts, log = self._read()
        start = 0
        if snapshot is not None:
            start = snapshot.offset + 1
            yield Entry(snapshot.offset, [record for part in parts for record in _unpack(part.value)], is_snapshot=True)
        for written in log:
            last_offset, records = int(written.key.rpartition(b"/")[2]), _unpack(written.value)
            if last_offset != start + len(records) - 1:
                raise ProtocolError(f"of the metadata in etcd, offset {start} is missing")
            yield Entry(last_offset, records)
            self._since_snapshot += len(records)
            start = last_offset + 1
        self._next_offset = start

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        """Raises OSError where etcd is full; LogFailed, and Deposed among it: then this journal is over."""
        if self._failed is not None:
            raise LogFailed(self._failed)
        last_offset, value = self._next_offset + len(records) - 1, _pack(records)
        if len(value) > MAX_VALUE_BYTES:
            raise OSError(f"{len(records)} records of one decision are too many for etcd")
        key = self._log_key(last_offset)
        try:
            self._write([Created(key, 0)], (key, value))
        except EtcdFull as error:
            raise OSError(str(error)) from error
        except EtcdUnavailable as error:
            self._failed = str(error)  # it may have been written, or may be yet: only a new replay tells
            raise LogFailed(self._failed) from error
        self._next_offset = last_offset + 1
        self._since_snapshot += len(records)
        return last_offset

    @property
    def wants_snapshot(self) -> bool:
        return self._since_snapshot >= RECORDS_BETWEEN_SNAPSHOTS

    def begin_snapshot(self, image: MetadataImage) -> Callable[[], None]:
        self._since_snapshot = 0
        return partial(self._write_parts, image)

    def end_snapshot(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            self._point_to(written)

    def write_snapshot(self, image: MetadataImage) -> None:
        """Put the whole image in the place of the log so far; all at once.

        Raises OSError where that did not come about, or may not have: nothing depends on it, and it is tried again when
        there are as many records more. Raises Deposed where this journal is over.
        """
        self.begin_snapshot(image)()
        self.end_snapshot()

    def _write_parts(self, image: MetadataImage) -> None:
        """Long work, while others append: nobody looks at parts to which nothing points."""
        try:
            replaced = self._etcd.get(self._key("snapshot"))
            parts = 0
            for part in _parts(list(records_of(image))):
                self._write([], (self._part_key(image.offset, parts), part))
                parts += 1
        except EtcdUnavailable as error:
            raise OSError(str(error)) from error
        self._written = _Written(Snapshot(image.offset, parts), 0 if replaced is None else replaced.mod_revision)

    def _point_to(self, written: _Written) -> None:
        offset, parts = written.snapshot.offset, written.snapshot.parts
        try:
            pointer = msgspec.json.encode(written.snapshot)
            covered = (self._log_key(0), self._log_key(offset + 1))
            older_parts = (self._key("parts/"), self._part_key(offset, 0))
            other_parts = (self._part_key(offset, parts), end_of_prefix(self._key("parts/")))
            self._write(
                [Unchanged(self._key("snapshot"), written.replaced_revision)],
                (self._key("snapshot"), pointer),
                [covered, older_parts, other_parts],
            )
        except EtcdUnavailable as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """The connection belongs to whoever has made it."""

    def _read(self) -> tuple[Snapshot | None, list[KeyValue], list[KeyValue]]:
        """The snapshot, its parts, and the log behind it, as they were at one moment: others may be looking on."""
        while True:
            pointer = self._etcd.get(self._key("snapshot"))
            snapshot = None if pointer is None else _snapshot(pointer)
            start, parts = 0, []
            if snapshot is not None:
                start = snapshot.offset + 1
                numbers = range(snapshot.parts)
                parts = [self._etcd.get(self._part_key(snapshot.offset, number)) for number in numbers]
            log = self._etcd.range(self._log_key(start), end_of_prefix(self._key("log/")))
            if self._etcd.get(self._key("snapshot")) != pointer:
                continue
            if snapshot is not None and None in parts:
                raise ProtocolError(f"part {parts.index(None)} of the snapshot at {snapshot.offset} is not there")
            return snapshot, [part for part in parts if part is not None], log

    def _write(
        self,
        conditions: list[Created | Unchanged],
        put: tuple[bytes, bytes],
        deletes: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        """Raises Deposed; EtcdFull where it was not made; EtcdUnavailable where nobody knows."""
        full: EtcdFull | None = None
        try:
            if self._etcd.commit([self._still_leading, *conditions], [put], deletes):
                return
        except EtcdFull as error:
            full = error
        # Whoever refuses may have got it before: asked again, because an answer was lost, or filled by it.
        found = self._etcd.get(put[0])
        leader = self._etcd.get(self._still_leading.key)
        if leader is None or leader.create_revision != self._still_leading.revision:
            self._failed = REPLACED
            raise Deposed(self._failed)
        if found is None or found.value != put[1]:
            raise full or EtcdUnavailable(f"{put[0].decode()} in etcd was written to by somebody else")

    def _key(self, name: str) -> bytes:
        return f"{self._prefix}/{name}".encode()

    def _log_key(self, offset: int) -> bytes:
        return self._key(f"log/{offset:020}")

    def _part_key(self, offset: int, number: int) -> bytes:
        return self._key(f"parts/{offset:020}/{number:06}")


def cluster_id_key(prefix: str) -> bytes:
    return f"{prefix}/cluster-id".encode()


def leader_key(prefix: str) -> bytes:
    return f"{prefix}/leader".encode()


def longest_session_key(prefix: str) -> bytes:
    return f"{prefix}/longest-session-ms".encode()


def _parts(records: list[Struct]) -> Iterator[bytes]:
    """In order, each packed, none too large for a value."""
    for at in range(0, len(records), PART_RECORDS):
        yield from _halves(records[at : at + PART_RECORDS])


def _halves(records: list[Struct]) -> Iterator[bytes]:
    packed = _pack(records)
    if len(packed) <= MAX_VALUE_BYTES or len(records) == 1:
        yield packed
    else:
        yield from _halves(records[: len(records) // 2])
        yield from _halves(records[len(records) // 2 :])


def _pack(records: Sequence[Struct]) -> bytes:
    import zstandard  # loaded where there is an etcd, and not by every broker

    return zstandard.compress(msgspec.msgpack.encode([frame(record) for record in records]))


def _snapshot(pointer: KeyValue) -> Snapshot:
    """Raises ProtocolError."""
    try:
        return msgspec.json.decode(pointer.value, type=Snapshot)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"{pointer.key.decode()} in etcd names no snapshot: {error}") from None


def _unpack(value: bytes) -> list[Struct]:
    """Raises ProtocolError."""
    import zstandard

    try:
        frames = msgspec.msgpack.decode(zstandard.decompress(value), type=list[bytes])
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ProtocolError(f"the metadata in etcd cannot be read: {error}") from None
    return [unframe(each) for each in frames]
