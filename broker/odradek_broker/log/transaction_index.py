"""The transaction index of a segment: the aborted transactions whose markers lie in it.

A consumer that reads only what is committed is told of these, and skips their records. The file is 34 bytes for each,
big endian (Kafka: TransactionIndex, AbortedTxn); it exists only where there are any.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from operator import attrgetter
from typing import NamedTuple

from odradek.protocol.primitives import Buffer
from odradek_broker.log.failures import CorruptIndex

_ENTRY = struct.Struct(">hqqqq")
ENTRY_BYTES = _ENTRY.size
VERSION = 0
_LAST_OFFSET = attrgetter("last_offset")


class AbortedTransaction(NamedTuple):
    producer_id: int
    first_offset: int
    last_offset: int
    """That of the abort marker."""
    last_stable_offset: int
    """Of the partition, once this transaction had ended."""


class TransactionIndex:
    """In the order of the markers, so `last_offset` and `last_stable_offset` never fall."""

    __slots__ = ("entries",)

    def __init__(self, entries: list[AbortedTransaction] | None = None) -> None:
        self.entries: list[AbortedTransaction] = entries or []

    def append(self, aborted: AbortedTransaction) -> None:
        assert not self.entries or aborted.last_offset > self.entries[-1].last_offset, "markers come in order"
        self.entries.append(aborted)

    def collect(self, from_offset: int, to_offset: int) -> tuple[list[AbortedTransaction], bool]:
        """Those that touch the offsets from `from_offset` up to, not with, `to_offset`.

        The second value says that no later segment can hold more of them.
        """
        found = []
        for position in range(bisect_left(self.entries, from_offset, key=_LAST_OFFSET), len(self.entries)):
            entry = self.entries[position]
            if entry.first_offset < to_offset:
                found.append(entry)
            if entry.last_stable_offset >= to_offset:
                return found, True
        return found, False

    def truncate_to(self, offset: int) -> None:
        """Forget the transactions whose marker lies at or behind `offset`."""
        while self.entries and self.entries[-1].last_offset >= offset:
            self.entries.pop()

    def copy(self) -> TransactionIndex:
        return TransactionIndex(list(self.entries))

    def encode(self) -> bytes:
        return b"".join(_ENTRY.pack(VERSION, *entry) for entry in self.entries)

    @classmethod
    def decode(cls, data: Buffer, base_offset: int) -> TransactionIndex:
        """Read a file. Raises CorruptIndex unless it is whole, of a known version, and belongs to that segment."""
        if len(data) % ENTRY_BYTES:
            raise CorruptIndex(f"{len(data)} bytes are not whole entries")
        index = cls()
        before = base_offset - 1
        for version, *fields in _ENTRY.iter_unpack(data):
            entry = AbortedTransaction(*fields)
            if version != VERSION or entry.last_offset <= before or entry.first_offset > entry.last_offset:
                raise CorruptIndex(f"entry of version {version} out of place: {entry}")
            index.entries.append(entry)
            before = entry.last_offset
        return index
