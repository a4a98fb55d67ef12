"""Sequence numbers of one partition: what makes retries of an idempotent producer harmless (KIP-98, KIP-360).

A batch gets its producer id, epoch and first sequence when it is drained for the first time, in the order in which the
partition's batches are sent, and keeps them through its retries: the broker recognises what it has already.

Rules
    The numbers of a batch that was refused for good are taken back if it surely was not written and was the last one
    numbered. Otherwise they stay used. Was it not written, those behind it are answered OUT_OF_ORDER_SEQUENCE_NUMBER.
    When that happens to the first of them, all before it are settled, so it surely was not written either: the
    partition goes on under the next epoch from 0.
    Epochs are counted for each partition alone; a broker compares them only within a partition.
    A broker that knows nothing of a producer takes whatever sequence comes first. So until one batch is acknowledged
    only one may be in flight: else the second could be written, and the first, sent again, would come behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

SEQUENCE_MODULUS = 2**31
LAST_EPOCH = 2**15 - 1
NO_PRODUCER_ID = -1


class Numbered(Protocol):
    """A batch, as far as its numbers go."""

    producer_id: int
    producer_epoch: int
    base_sequence: int
    payload: bytes | bytearray | None

    @property
    def count(self) -> int: ...


class Sequences:
    """The numbering of one partition."""

    def __init__(self) -> None:
        self.producer_id = NO_PRODUCER_ID
        self.epoch = -1
        self.next_sequence = 0
        self.is_proven = False
        """A batch of this identity and epoch has been acknowledged."""
        self.used_identity = NO_PRODUCER_ID
        """The producer id whose epochs are used up here, if one is."""

    @property
    def needs_identity(self) -> bool:
        """Nothing can be numbered until `begin`."""
        return self.producer_id == NO_PRODUCER_ID

    def begin(self, producer_id: int, epoch: int) -> None:
        """Number from 0 under this identity."""
        self.producer_id, self.epoch, self.next_sequence = producer_id, epoch, 0
        self.is_proven = False

    def acknowledged(self, batch: Numbered) -> None:
        """The broker has written it, so it knows us."""
        if (batch.producer_id, batch.producer_epoch) == (self.producer_id, self.epoch):
            self.is_proven = True

    def number(self, batch: Numbered) -> None:
        """Give a batch its numbers, unless it has them from an earlier attempt."""
        if batch.base_sequence >= 0:
            return
        assert not self.needs_identity
        batch.producer_id, batch.producer_epoch = self.producer_id, self.epoch
        batch.base_sequence = self.next_sequence
        self.next_sequence = (self.next_sequence + batch.count) % SEQUENCE_MODULUS

    def take_back(self, refused: Numbered) -> bool:
        """Use the numbers of a batch again that was surely not written. False where later ones are numbered already."""
        if refused.base_sequence < 0 or (refused.producer_id, refused.producer_epoch) != (self.producer_id, self.epoch):
            return False
        if (refused.base_sequence + refused.count) % SEQUENCE_MODULUS != self.next_sequence:
            return False
        self.next_sequence = refused.base_sequence
        return True

    def renew(self, unsettled: Iterable[Numbered]) -> None:
        """Go on under the next epoch; the batches, all surely not written, lose their numbers.

        When the epochs of a producer id are used up, a new identity is needed.
        """
        for batch in unsettled:
            batch.base_sequence = batch.producer_id = batch.producer_epoch = -1
            batch.payload = None
        if self.epoch >= LAST_EPOCH:
            self.used_identity, self.producer_id = self.producer_id, NO_PRODUCER_ID
        else:
            self.epoch += 1
        self.next_sequence = 0
        self.is_proven = False
