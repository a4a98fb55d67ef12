"""One partition of a coordinator's topic that this broker leads: its coordinator, and those who wait for its answers.

It hosts any deciding core that answers with a CoordinatorResult. Records are appended and replayed at once, in one go
with the decision; answers leave when everything appended before them is committed. So decisions follow one another
without waiting for the disk, yet nobody is told what could still be lost. If leadership is lost, this object is thrown
away with all that it knows, and so is whatever was not committed. Kafka: CoordinatorRuntime.

Invariants
    The coordinator has replayed exactly the records of the log, in order; those that mean nothing are passed over, each
        with a line that says so.
    Every request that waits gets one answer, or CoordinatorUnavailable.
    What is wrong with a record, or goes wrong when somebody's time has come, stays with what the record or the timer is
        about; the host of each kind of coordinator says what that costs. Others neither notice nor wait.
"""

from __future__ import annotations

import errno
import itertools
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, crc_is_valid, iter_headers
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_batch
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.log.failures import LogFailed, OffsetOutOfRange
from odradek_broker.log.validation import Refused
from odradek_broker.loop.defects import survive

if TYPE_CHECKING:
    from odradek_broker.log.log import Log
    from odradek_broker.partitions.commits import Commit
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.ports.clock import Clock

logger = logging.getLogger(__name__)

R = TypeVar("R")


class Core(Protocol):
    """What a deciding core has to offer, beside the calls that it is there for."""

    @property
    def next_deadline_ms(self) -> int | None: ...

    def pop_due(self, now: Instant) -> Any: ...

    def time_over(self, timer: Any, now: Instant) -> CoordinatorResult[None]: ...

    def begin(self, now: Instant) -> None: ...

    def replay(
        self, record: CoordinatorRecord, log_offset: int, now: Instant, producer_id: int | None = None
    ) -> list[Answer]: ...


C = TypeVar("C", bound=Core)

READ_BYTES = 1024 * 1024
RECORDS_BETWEEN_CHECKPOINTS = 100
BATCH_BYTES = 512 * 1024
"""Records of one decision go into one batch up to here; only deletions and huge commits need several."""

_OF_REFUSAL = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.INVALID_PRODUCER_EPOCH: ErrorCode.INVALID_PRODUCER_EPOCH,
}
"""What a client of the coordinator is told where its log refuses a record."""


class CoordinatorUnavailable(Exception):
    """This broker cannot answer for what it is asked about, at least not now."""

    def __init__(self, error_code: ErrorCode) -> None:
        super().__init__(error_code.sentence)
        self.error_code = error_code


class ProducerStamp(NamedTuple):
    """Whose transaction a batch is part of."""

    producer_id: int
    producer_epoch: int


class _Waiter:
    """A request that has not been answered yet."""

    def __init__(self) -> None:
        self._settled = trio.Event()
        self._response: Any = None
        self._error: ErrorCode | None = None

    def answer(self, response: Any) -> None:
        self._response = response
        self._settled.set()

    def fail(self, error: ErrorCode) -> None:
        self._error = error
        self._settled.set()

    async def wait(self) -> Any:
        await self._settled.wait()
        if self._error is not None:
            raise CoordinatorUnavailable(self._error)
        return self._response


class CoordinatorPartition(ABC, Generic[C]):
    """Made when this broker becomes the leader of the partition; `run` until it no longer is."""

    about: ClassVar[str]
    """What its records are about, in a word."""
    follows_commits: ClassVar[bool] = False
    """Whether the core hears how far its records are committed, also where nobody waits for an answer."""

    def __init__(self, partition: Partition, coordinator: C, clock: Clock, *, is_only_copy: bool = False) -> None:
        """`is_only_copy`: what is damaged here nobody else has, so it is passed over."""
        self.partition = partition
        self.damaged_at: int | None = None
        """An offset from which on the log could not be read back as it was written."""
        self._is_only_copy = is_only_copy
        self.leader_epoch = partition.leader_epoch
        self.coordinator = coordinator
        self._clock = clock
        self._scope = trio.CancelScope()
        self._loaded = trio.Event()
        self._closed = False
        self._tickets = itertools.count(1)
        self._waiters: dict[int, _Waiter] = {}
        self._loaded_up_to = 0
        self._appended_offset = -1
        """The last record that is in the log."""
        self._uncommitted: deque[tuple[Commit, list[Answer]]] = deque()
        """Answers, each with what must be committed before they may leave."""
        self._has_uncommitted = trio.Event()
        self._sleeps_until_ms: int | None = None
        self._earlier = trio.Event()
        """A timer is due before the one that is slept for."""

    # ------------------------------------------------------------------------------------------------------ life

    async def run(self) -> None:
        """Read the log, then see to timers and to what gets committed.

        Returns when `close` is called, and when that is of no use any more: nothing can be committed here, or read.
        """
        try:
            with self._scope:
                await self._load()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch_timers)
                    error = await self._watch_commits()
                    logger.info("%s no longer coordinates %s: %s", self.partition, self.about, error.name)
                    nursery.cancel_scope.cancel()
        except* (OSError, LogFailed, OffsetOutOfRange, ProtocolError) as errors:
            logger.error("%s no longer coordinates %s: %s", self.partition, self.about, errors.exceptions[0])
        finally:
            self.close()

    def close(self) -> None:
        """Give up: whoever waits is to look for another coordinator."""
        self._closed = True
        self._loaded.set()
        self._scope.cancel()
        for waiter in self._waiters.values():
            waiter.fail(ErrorCode.NOT_COORDINATOR)
        self._waiters.clear()
        for commit, _ in self._uncommitted:
            commit.leave()

    @property
    def why_not(self) -> ErrorCode:
        """What to say of a coordinator that is not loaded."""
        return ErrorCode.COORDINATOR_NOT_AVAILABLE if self._closed else ErrorCode.COORDINATOR_LOAD_IN_PROGRESS

    @property
    def is_loaded(self) -> bool:
        return self._loaded.is_set() and not self._closed

    async def wait_loaded(self) -> None:
        await self._loaded.wait()

    # ---------------------------------------------------------------------------------------------------- requests

    async def ask(
        self, decide: Callable[[Instant, int], CoordinatorResult[R | None]], producer: ProducerStamp | None = None
    ) -> R:
        """Let the coordinator decide, (now, ticket) -> CoordinatorResult, and return the answer once it may be given.

        Raises CoordinatorUnavailable.
        """
        if not self.is_loaded:
            raise CoordinatorUnavailable(ErrorCode.NOT_COORDINATOR)
        ticket, waiter = next(self._tickets), _Waiter()
        self._waiters[ticket] = waiter
        try:
            result = decide(self.now(), ticket)
            self._carry_out(result, ticket, producer)
            response: R = await waiter.wait()
            return response
        finally:
            self._waiters.pop(ticket, None)

    def now(self) -> Instant:
        return Instant(self._clock.monotonic_ms(), self._clock.now_ms())

    def carry_out(self, result: CoordinatorResult[None]) -> None:
        """Do what follows from something that no request has asked for."""
        if not self._closed:
            self._carry_out(result, None, None)

    # --------------------------------------------------------------------------------------------- append, replay

    def _carry_out(self, result: CoordinatorResult[Any], ticket: int | None, producer: ProducerStamp | None) -> None:
        for note in result.notes:
            logger.info("%s: %s", self.partition, note)
        answers = list(result.answers)
        refusal = ErrorCode.NONE
        for batch in _batches(result.records, min(BATCH_BYTES, self._max_batch_bytes // 2)):
            refusal = self._append(batch, answers, producer)
            if refusal:
                break
        if ticket is not None:
            if refusal:
                self._waiters[ticket].fail(_OF_REFUSAL.get(refusal, ErrorCode.UNKNOWN_SERVER_ERROR))
            elif result.response is not None:
                answers.append(Answer(ticket, result.response))
        self._answer_when_committed(answers)
        self._look_at_timers()

    def _append(
        self, records: list[CoordinatorRecord], answers: list[Answer], producer: ProducerStamp | None
    ) -> ErrorCode:
        """Append one batch and replay it; NONE, or why the log refuses it."""
        now = self.now()
        batch = _build(records, now.wall_ms, producer)
        if len(batch) > self._max_batch_bytes:
            logger.warning("%s takes no record of %d bytes: max.message.bytes", self.partition, len(batch))
            return ErrorCode.MESSAGE_TOO_LARGE
        appended = self.partition.append_internal(batch)
        if isinstance(appended, Refused):
            logger.warning("%s refuses a record: %s", self.partition, appended.error.name)
            return appended.error
        self._appended_offset = appended.last_offset
        for offset, record in enumerate(records, appended.base_offset):
            answers += self.coordinator.replay(record, offset, now, producer and producer.producer_id)
        return ErrorCode.NONE

    @property
    def _max_batch_bytes(self) -> int:
        """What members say of themselves and give each other is theirs, but a record of it may not be of any size."""
        return self.partition.log.config.max_message_bytes

    def _answer_when_committed(self, answers: list[Answer]) -> None:
        if not answers and not self.follows_commits:
            return
        commit = self.partition.commit_of(self._appended_offset)
        if commit.outcome is ErrorCode.NONE:
            self._settle(commit, answers)
        else:
            self._uncommitted.append((commit, answers))
            self._has_uncommitted.set()

    def _settle(self, commit: Commit, answers: Iterable[Answer]) -> None:
        """What was appended will stay. Whoever no longer waits has lost its connection."""
        self._committed(commit.last_offset)
        for ticket, response in answers:
            waiter = self._waiters.get(ticket)
            if waiter is not None:
                waiter.answer(response)

    async def _watch_commits(self) -> ErrorCode:
        """Let answers leave. Returns why nothing more will be committed under this leadership."""
        while True:
            await self._has_uncommitted.wait()
            while self._uncommitted:
                error = await self._uncommitted[0][0].wait()
                if error:
                    return error
                self._settle(*self._uncommitted.popleft())
            self._has_uncommitted = trio.Event()

    # ------------------------------------------------------------------------------------------------------ timers

    def _look_at_timers(self) -> None:
        """Wake the watcher if something is due earlier than it thinks."""
        deadline_ms = self.coordinator.next_deadline_ms
        if deadline_ms is not None and (self._sleeps_until_ms is None or deadline_ms < self._sleeps_until_ms):
            self._earlier.set()

    async def _watch_timers(self) -> None:
        while True:
            while (timer := self.coordinator.pop_due(self.now())) is not None:
                self._time_over(timer)
                await trio.lowlevel.checkpoint()
            self._earlier = trio.Event()
            self._sleeps_until_ms = self.coordinator.next_deadline_ms
            with trio.move_on_after(self._seconds_to_sleep()):
                await self._earlier.wait()

    def _time_over(self, timer: Any) -> None:
        try:
            self.carry_out(self.coordinator.time_over(timer, self.now()))
        except Exception as defect:
            self._survive_timer(timer, defect)

    @abstractmethod
    def _survive_timer(self, timer: Any, defect: Exception) -> None:
        """Go on after a defect in what a timer was set for."""

    def _seconds_to_sleep(self) -> float:
        if self._sleeps_until_ms is None:
            return float("inf")
        return max(self._sleeps_until_ms - self._clock.monotonic_ms(), 0) / 1000

    # --------------------------------------------------------------------------------------------------- recovery

    async def _load(self) -> None:
        """Replay the whole log: also what is not committed yet, for it may still be.

        Raises OSError, LogFailed, OffsetOutOfRange, ProtocolError; where it is damaged, `damaged_at` says so.
        """
        log = self.partition.log
        self._loaded_up_to = log.log_start_offset
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
                    self.partition, self.damaged_at, self._loaded_up_to, self.about, error,
                )  # fmt: skip
        self._appended_offset = log.log_end_offset - 1
        self.coordinator.begin(self.now())
        self._answer_when_committed([])
        self._loaded.set()
        self._tell_what_is_loaded()

    async def _load_on(self) -> None:
        """Replay from `_loaded_up_to` to the end; where that fails, it says how far it has come."""
        while (found := self.partition.log.read(self._loaded_up_to, READ_BYTES)) is not None:
            data, before = memoryview(found.read()), self._loaded_up_to
            for position, header in iter_headers(data):
                if self._is_sound(data, position, header):
                    await self._replay_batch(data, position, header)
                self._loaded_up_to = header.next_offset
            if self._loaded_up_to <= before:
                raise ProtocolError(f"there is no batch at offset {before}, where one should be")
            await trio.lowlevel.checkpoint()

    @abstractmethod
    def _tell_what_is_loaded(self) -> None:
        """A line in the log of the process."""

    def _is_sound(self, data: memoryview, position: int, header: BatchHeader) -> bool:
        """Whether the batch is what was written; False where it is passed over. Raises ProtocolError."""
        if crc_is_valid(data, position, header):
            return True
        fault = f"the batch at offset {header.base_offset} does not match its checksum"
        if not self._is_only_copy:
            raise ProtocolError(fault)
        logger.error(
            "%s: %s, and no other broker has it: what it says of %s is lost", self.partition, fault, self.about
        )
        return False

    async def _replay_batch(self, data: memoryview, position: int, header: BatchHeader) -> None:
        if header.is_control:
            self._replay_control(data[position : position + header.size_bytes], header)
            return
        producer_id = header.producer_id if header.is_transactional else None
        try:
            records = decode_batch(data, position)
        except ProtocolError as error:  # Its checksum is right: so it was written, and so everybody has it.
            logger.error(
                "%s: the batch at offset %d is passed over, and what it says of %s with it: %s",
                self.partition, header.base_offset, self.about, error,
            )  # fmt: skip
            return
        for number, record in enumerate(records, 1):
            self._replay(record, producer_id)
            if number % RECORDS_BETWEEN_CHECKPOINTS == 0:
                await trio.lowlevel.checkpoint()

    def _replay(self, record: Record, producer_id: int | None) -> None:
        """Replay a record of the log; one that means nothing hurts no other."""
        try:
            if record.key is None:
                raise ProtocolError("it has no key")
            recorded = CoordinatorRecord(record.key, record.value)
            self.coordinator.replay(recorded, record.offset, self.now(), producer_id)
        except ProtocolError as error:
            self._pass_over(record, error)
        except Exception as defect:
            survive(defect, f"{self.partition}: the record at offset {record.offset} is passed over")
            self._pass_over(record, defect)

    @abstractmethod
    def _pass_over(self, record: Record, why: Exception) -> None:
        """Say what is lost with a record that cannot be acted upon, and see to it that nothing else is."""

    def _replay_control(self, batch: memoryview, header: BatchHeader) -> None:
        """A control batch lies in the log; to most coordinators it means nothing."""

    def _committed(self, last_offset: int) -> None:
        """All records up to there will stay."""


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


def _batches(records: list[CoordinatorRecord], max_bytes: int) -> Iterable[list[CoordinatorRecord]]:
    """Whole records, in order, in batches of about that size at most; a larger record is alone in its own."""
    batch: list[CoordinatorRecord] = []
    size_bytes = 0
    for record in records:
        record_bytes = len(record.key) + len(record.value or b"") + 32
        if batch and size_bytes + record_bytes > max_bytes:
            yield batch
            batch, size_bytes = [], 0
        batch.append(record)
        size_bytes += record_bytes
    if batch:
        yield batch


def _build(records: list[CoordinatorRecord], now_ms: int, producer: ProducerStamp | None) -> bytes:
    entries = [Record(timestamp=now_ms, key=record.key, value=record.value) for record in records]
    if producer is None:
        return bytes(build_batch(entries))
    return bytes(build_batch(entries, is_transactional=True, **producer._asdict()))
