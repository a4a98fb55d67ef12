"""What an onlooker knows of one replica's log: its batches, by identity, and how much of it no power cut can take."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from odradek.protocol.records.batch import crc_is_valid, iter_headers
from odradek_broker.log.log import Log

READ_BYTES = 1 << 30


class Batch(NamedTuple):
    """Two batches are the same where all of this is."""

    base_offset: int
    next_offset: int
    leader_epoch: int
    crc: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    is_transactional: bool = False
    is_control: bool = False

    def is_of_the_same_write(self, other: Batch) -> bool:
        """Compaction takes records out of a batch, and leaves it its place and its producer."""
        return self._replace(crc=0) == other._replace(crc=0)


class Batches:
    """In the order of their offsets; grown and cut at the end, cut at the beginning."""

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._batches: list[Batch] = []

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    @property
    def last(self) -> Batch | None:
        return self._batches[-1] if self._batches else None

    @property
    def end_offset(self) -> int:
        return self._batches[-1].next_offset if self._batches else 0

    def add(self, batch: Batch) -> None:
        self._bases.append(batch.base_offset)
        self._batches.append(batch)

    def at(self, base_offset: int) -> Batch | None:
        """The one that begins there."""
        number = bisect_left(self._bases, base_offset)
        return self._batches[number] if number < len(self._bases) and self._bases[number] == base_offset else None

    def with_offset(self, offset: int) -> Batch | None:
        """The one that has the offset."""
        number = bisect_right(self._bases, offset) - 1
        found = self._batches[number] if number >= 0 else None
        return found if found is not None and offset < found.next_offset else None

    def since(self, offset: int) -> list[Batch]:
        """Those that begin at an offset or behind it."""
        return self._batches[bisect_left(self._bases, offset) :]

    def cut_end(self, offset: int) -> list[Batch]:
        """Take away, and return, those that end behind an offset."""
        kept = len(self._batches)
        while kept and self._batches[kept - 1].next_offset > offset:
            kept -= 1
        gone = self._batches[kept:]
        del self._batches[kept:], self._bases[kept:]
        return gone

    def cut_beginning(self, offset: int) -> None:
        """Forget those that end at an offset or before it."""
        gone = 0
        while gone < len(self._batches) and self._batches[gone].next_offset <= offset:
            gone += 1
        del self._batches[:gone], self._bases[:gone]

    def clear(self) -> None:
        self._bases.clear()
        self._batches.clear()


class ReplicaView:
    """Stays when the process goes."""

    def __init__(self) -> None:
        self.batches = Batches()
        self.start_offset = 0
        self.end_offset = 0
        """Of the log; compaction may have taken the last batches."""
        self.durable_offset = 0
        self.is_lost = False
        """The disk was taken away, or what it had not synced; nothing is asked of it until it has been filled again."""
        self.is_given_up = False
        """The replica was taken away from this broker, which may delete its log at any time."""

    def __str__(self) -> str:
        return f"{self.start_offset} to {self.batches.end_offset}, on stable storage up to {self.durable_offset}"

    def has(self, batch: Batch, *, compacted: bool) -> bool:
        """Whether it is there, on stable storage, or was there and has been deleted. What is before is, too (S3)."""
        if batch.next_offset <= self.start_offset:
            return True
        if batch.next_offset > self.durable_offset:
            return False
        found = self.batches.at(batch.base_offset)
        if compacted:
            return found is None or found.is_of_the_same_write(batch)
        return found == batch

    def cut(self, start_offset: int, end_offset: int) -> list[Batch]:
        """Follow the log's truncation and its beginning; return what has been cut off at its end."""
        gone = self.batches.cut_end(end_offset)
        if start_offset > self.start_offset:
            self.batches.cut_beginning(start_offset)
        self.start_offset, self.end_offset = start_offset, end_offset
        return gone

    def read_on(self, log: Log) -> list[tuple[Batch, bytes]]:
        """Take up what the log has behind what is known; return that."""
        found_all = []
        self.end_offset = log.log_end_offset
        offset = max(self.batches.end_offset, log.log_start_offset)
        while (found := log.read(offset, READ_BYTES)) is not None:
            data = found.read()
            for position, header in iter_headers(data):
                assert crc_is_valid(data, position, header), f"the batch at offset {header.base_offset} is damaged"
                batch = Batch(
                    header.base_offset,
                    header.next_offset,
                    header.partition_leader_epoch,
                    header.crc,
                    header.producer_id,
                    header.producer_epoch,
                    header.base_sequence,
                    header.is_transactional,
                    header.is_control,
                )
                self.batches.add(batch)
                found_all.append((batch, data[position : position + header.size_bytes]))
            offset = self.batches.end_offset
        return found_all
