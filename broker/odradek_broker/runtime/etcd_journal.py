"""The metadata's journal in etcd, for a cluster with several controllers of which one is active.

    <prefix>/cluster-id           made by whoever comes first
    <prefix>/leader               the active controller, under its lease
    <prefix>/log/<offset>         the records of one decision, by the offset of the last of them
    <prefix>/snapshot             which snapshot holds: its offset, and how many parts it has
    <prefix>/parts/<offset>/<n>   its parts

Every write is a transaction on condition that the leader's key is still the one that this controller has created: a
controller that was paused, and has been replaced, can change nothing. Values are framed records, compressed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import zstandard
from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek_broker.controller.frame import frame, unframe
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import Entry
from odradek_broker.controller.snapshot import records_of
from odradek_broker.log.failures import LogFailed
from odradek_broker.runtime.etcd import Compare, Etcd, EtcdFull, EtcdUnavailable, end_of_prefix

RECORDS_BETWEEN_SNAPSHOTS = 5_000
PART_RECORDS = 5_000
MAX_VALUE_BYTES = 1_400_000
"""etcd refuses requests of more than 1.5 MiB."""
REPLACED = "another controller has taken over"


class Deposed(LogFailed):
    """Another controller has taken over."""


class Snapshot(Struct, frozen=True):
    offset: int
    parts: int


class EtcdJournal:
    """Of the controller that has created the leader's key at that revision."""

    def __init__(self, etcd: Etcd, prefix: str, leader_revision: int) -> None:
        self._etcd = etcd
        self._prefix = prefix
        self._still_leading = Compare(leader_key(prefix), leader_revision)
        self._next_offset = 0
        self._since_snapshot = 0
        self._failed: str | None = None

    def replay(self) -> Iterator[Entry]:
        start = 0
        found = self._etcd.get(self._key("snapshot"))
        if found is not None:
            snapshot = msgspec.json.decode(found.value, type=Snapshot)
            records = [record for part in range(snapshot.parts) for record in self._part(snapshot.offset, part)]
            start = snapshot.offset + 1
            yield Entry(snapshot.offset, records, is_snapshot=True)
        for entry in self._etcd.range(self._log_key(start), end_of_prefix(self._key("log/"))):
            last_offset = int(entry.key.rpartition(b"/")[2])
            yield Entry(last_offset, _unpack(entry.value))
            self._since_snapshot += last_offset + 1 - start
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
            self._commit([Compare(key, 0)], [(key, value)])
        except OSError:
            if not self._is_written(key, value):
                raise
        self._next_offset = last_offset + 1
        self._since_snapshot += len(records)
        return last_offset

    @property
    def wants_snapshot(self) -> bool:
        return self._since_snapshot >= RECORDS_BETWEEN_SNAPSHOTS

    def write_snapshot(self, image: MetadataImage) -> None:
        """Put the whole image in the place of the log so far. Raises as `append` does."""
        records = list(records_of(image))
        parts = [records[at : at + PART_RECORDS] for at in range(0, len(records), PART_RECORDS)]
        for number, part in enumerate(parts):
            self._commit([], [(self._part_key(image.offset, number), _pack(part))])
        pointer = msgspec.json.encode(Snapshot(image.offset, len(parts)))
        older_parts = (self._key("parts/"), self._part_key(image.offset, 0))
        covered = (self._log_key(0), self._log_key(image.offset + 1))
        self._commit([], [(self._key("snapshot"), pointer)], [covered, older_parts])
        self._since_snapshot = 0
        try:
            self._etcd.compact(self._etcd.revision())
        except EtcdUnavailable:
            pass  # it only takes space

    def close(self) -> None:
        """The connection belongs to whoever has made it."""

    def _commit(
        self,
        conditions: list[Compare],
        puts: list[tuple[bytes, bytes]],
        deletes: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        try:
            done = self._etcd.commit([self._still_leading, *conditions], puts, deletes)
        except EtcdFull as error:
            raise OSError(str(error)) from error
        except EtcdUnavailable as error:
            self._failed = str(error)  # it may have been written: only a new replay tells
            raise LogFailed(self._failed) from error
        if not done:
            self._failed = REPLACED
            raise Deposed(self._failed)

    def _is_written(self, key: bytes, value: bytes) -> bool:
        """Of a write that was answered with an error, but is over: whether it was made.

        Raises Deposed where another controller may have written there.
        """
        try:
            found = self._etcd.get(key)
            leader = self._etcd.get(self._still_leading.key)
        except EtcdUnavailable as error:
            self._failed = str(error)
            raise LogFailed(self._failed) from error
        if leader is None or leader.create_revision != self._still_leading.create_revision:
            self._failed = REPLACED
            raise Deposed(self._failed)
        return found is not None and found.value == value

    def _key(self, name: str) -> bytes:
        return f"{self._prefix}/{name}".encode()

    def _log_key(self, offset: int) -> bytes:
        return self._key(f"log/{offset:020}")

    def _part_key(self, offset: int, number: int) -> bytes:
        return self._key(f"parts/{offset:020}/{number:06}")

    def _part(self, offset: int, number: int) -> list[Struct]:
        found = self._etcd.get(self._part_key(offset, number))
        if found is None:
            raise ProtocolError(f"part {number} of the snapshot at {offset} is not there")
        return _unpack(found.value)


def cluster_id_key(prefix: str) -> bytes:
    return f"{prefix}/cluster-id".encode()


def leader_key(prefix: str) -> bytes:
    return f"{prefix}/leader".encode()


def _pack(records: Sequence[Struct]) -> bytes:
    return zstandard.compress(msgspec.msgpack.encode([frame(record) for record in records]))


def _unpack(value: bytes) -> list[Struct]:
    frames = msgspec.msgpack.decode(zstandard.decompress(value), type=list[bytes])
    return [unframe(each) for each in frames]
