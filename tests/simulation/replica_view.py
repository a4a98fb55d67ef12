"""What an onlooker knows of one replica's log: its batches, by identity, and how much of it no power cut can take."""

from __future__ import annotations

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


class ReplicaView:
    """Stays when the process goes."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.durable_offset = 0
        self.is_lost = False
        """The disk was taken away; nothing is asked of it until it has been filled again."""

    @property
    def end_offset(self) -> int:
        return self.batches[-1].next_offset if self.batches else 0

    def has(self, index: int, batch: Batch) -> bool:
        """Whether it is the batch with that number, on stable storage. What is before is then the same too (S3)."""
        return index < len(self.batches) and self.batches[index] == batch and batch.next_offset <= self.durable_offset

    def cut(self, end_offset: int) -> list[Batch]:
        """Follow the log's truncation; return what has gone."""
        kept = len(self.batches)
        while kept and self.batches[kept - 1].next_offset > end_offset:
            kept -= 1
        gone = self.batches[kept:]
        del self.batches[kept:]
        return gone

    def read_on(self, log: Log) -> list[Batch]:
        """Take up what the log has behind what is known; return that."""
        known = len(self.batches)
        offset = max(self.end_offset, log.log_start_offset)
        while (found := log.read(offset, READ_BYTES)) is not None:
            data = found.read()
            for position, header in iter_headers(data):
                assert crc_is_valid(data, position, header), f"the batch at offset {header.base_offset} is damaged"
                self.batches.append(
                    Batch(
                        header.base_offset,
                        header.next_offset,
                        header.partition_leader_epoch,
                        header.crc,
                        header.producer_id,
                        header.producer_epoch,
                        header.base_sequence,
                    )
                )
            offset = self.end_offset
        return self.batches[known:]
