"""Reading a coordinator's log back, from its start to its end. Kafka: CoordinatorLoader.

What is wrong with one record stays with that record: its host says what is lost with it. A log that cannot be read any
further is for another broker to read; where no other has it, what is damaged is passed over.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

import trio

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, crc_is_valid, iter_headers
from odradek.protocol.records.record import Record, decode_headed
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.loop.defects import survive

if TYPE_CHECKING:
    from collections.abc import Callable

    from odradek_broker.coordination.result import Instant
    from odradek_broker.log.log import Log
    from odradek_broker.partitions.partition import Partition

logger = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
RECORDS_BETWEEN_CHECKPOINTS = 100


class Loader:
    """Of one partition, for one leadership."""

    def __init__(
        self,
        partition: Partition,
        about: str,
        *,
        now: Callable[[], Instant],
        replay: Callable[[CoordinatorRecord, int, Instant, int | None], object],
        replay_control: Callable[[memoryview, BatchHeader], None],
        pass_over: Callable[[Record, Exception], None],
        is_only_copy: bool,
    ) -> None:
        """`about`: what the records are about, in a word.

        `replay` gets a record, its offset, a time not long ago, and its producer's id.
        `is_only_copy`: what is damaged here nobody else has, so it is passed over.
        """
        self.damaged_at: int | None = None
        """An offset from which on the log could not be read back as it was written."""
        self._partition = partition
        self._about = about
        self._now = now
        self._replay_record = replay
        self._replay_control = replay_control
        self._pass_over = pass_over
        self._is_only_copy = is_only_copy
        self._loaded_up_to = 0
        self._instant = now()
        self._left = RECORDS_BETWEEN_CHECKPOINTS

    async def load(self) -> None:
        """Replay the whole log: also what is not committed yet, for it may still be.

        Raises OSError, LogFailed, OffsetOutOfRange, ProtocolError; where it is damaged, `damaged_at` says so.
        """
        log = self._partition.log
        self._loaded_up_to, self._instant = log.log_start_offset, self._now()
        while True:
            try:
                await self._load_on()
                break
            except (OSError, ProtocolError) as error:
                if isinstance(error, OSError) and error.errno != errno.EIO:
                    raise
                self.damaged_at = self._loaded_up_to
                if not self._is_only_copy:
                    raise
                self._loaded_up_to = _behind_damage(log, self.damaged_at)
                logger.error(
                    "%s cannot be read from offset %d up to %d, and no other broker has it: what it says of %s there "
                    "is lost: %s",
                    self._partition, self.damaged_at, self._loaded_up_to, self._about, error,
                )  # fmt: skip

    async def _load_on(self) -> None:
        """Replay from `_loaded_up_to` to the end; where that fails, it says how far it has come."""
        while (found := self._partition.log.read(self._loaded_up_to, READ_BYTES)) is not None:
            data, before = memoryview(found.read()), self._loaded_up_to
            for position, header in iter_headers(data):
                if self._is_sound(data, position, header):
                    for record in self._records_of(data, position, header):
                        self._replay(record, header.producer_id if header.is_transactional else None)
                        self._left -= 1
                        if not self._left:
                            await self._rest()
                self._loaded_up_to = header.next_offset
            if self._loaded_up_to <= before:
                raise ProtocolError(f"there is no batch at offset {before}, where one should be")
            await self._rest()

    async def _rest(self) -> None:
        await trio.lowlevel.checkpoint()
        self._left, self._instant = RECORDS_BETWEEN_CHECKPOINTS, self._now()

    def _is_sound(self, data: memoryview, position: int, header: BatchHeader) -> bool:
        """Whether the batch is what was written; False where it is passed over. Raises ProtocolError."""
        if crc_is_valid(data, position, header):
            return True
        fault = f"the batch at offset {header.base_offset} does not match its checksum"
        if not self._is_only_copy:
            raise ProtocolError(fault)
        logger.error(
            "%s: %s, and no other broker has it: what it says of %s is lost", self._partition, fault, self._about
        )
        return False

    def _records_of(self, data: memoryview, position: int, header: BatchHeader) -> list[Record]:
        """None of a control batch, which is replayed as a whole."""
        if header.is_control:
            self._replay_control(data[position : position + header.size_bytes], header)
            return []
        try:
            return decode_headed(data, position, header)
        except ProtocolError as error:  # Its checksum is right: so it was written, and so everybody has it.
            logger.error(
                "%s: the batch at offset %d is passed over, and what it says of %s with it: %s",
                self._partition, header.base_offset, self._about, error,
            )  # fmt: skip
            return []

    def _replay(self, record: Record, producer_id: int | None) -> None:
        """Replay a record of the log; one that means nothing hurts no other."""
        try:
            if record.key is None:
                raise ProtocolError("it has no key")
            self._replay_record(CoordinatorRecord(record.key, record.value), record.offset, self._instant, producer_id)
        except ProtocolError as error:
            self._pass_over(record, error)
        except Exception as defect:
            survive(defect, f"{self._partition}: the record at offset {record.offset} is passed over")
            self._pass_over(record, defect)


def _behind_damage(log: Log, damaged: int) -> int:
    """The first offset from which a log can be read again behind one from which it cannot.

    Its index leads past what is damaged, but only whoever asks for what lies behind an entry: so that is found by
    longer and longer steps, and then by halves.
    """
    unreadable, step = damaged, 1
    while (readable := damaged + step) < log.log_end_offset and not _is_readable(log, readable):
        unreadable, step = readable, 2 * step
    readable = min(readable, log.log_end_offset)
    while readable - unreadable > 1:
        middle = (readable + unreadable) // 2
        if _is_readable(log, middle):
            readable = middle
        else:
            unreadable = middle
    return readable


def _is_readable(log: Log, offset: int) -> bool:
    try:
        found = log.read(offset, 1)
        return found is not None and any(header.next_offset > offset for _, header in iter_headers(found.read()))
    except (OSError, ProtocolError):
        return False
