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

import itertools
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader
from odradek.protocol.records.record import Record
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.coordinators.batches import BATCH_BYTES, ProducerStamp, batches_of, build
from odradek_broker.coordinators.loader import Loader
from odradek_broker.log.failures import LogFailed, OffsetOutOfRange
from odradek_broker.log.validation import Refused
from odradek_broker.loop.alarm import Alarm

if TYPE_CHECKING:
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
        self.leader_epoch = partition.leader_epoch
        self.coordinator = coordinator
        self._clock = clock
        self._scope = trio.CancelScope()
        self._loaded = trio.Event()
        self._closed = False
        self._tickets = itertools.count(1)
        self._waiters: dict[int, _Waiter] = {}
        self._appended_offset = -1
        """The last record that is in the log."""
        self._uncommitted: deque[tuple[Commit, list[Answer]]] = deque()
        """Answers, each with what must be committed before they may leave."""
        self._has_uncommitted = trio.Event()
        self._alarm = Alarm(clock.monotonic_ms)
        self._loader = Loader(
            partition,
            self.about,
            now=self.now,
            replay=coordinator.replay,
            replay_control=self._replay_control,
            pass_over=self._pass_over,
            is_only_copy=is_only_copy,
        )

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
        for batch in batches_of(result.records, min(BATCH_BYTES, self._max_batch_bytes // 2)):
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
        batch = build(records, now.wall_ms, producer)
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
        self._alarm.set(self.coordinator.next_deadline_ms)

    async def _watch_timers(self) -> None:
        while True:
            while (timer := self.coordinator.pop_due(self.now())) is not None:
                self._time_over(timer)
                await trio.lowlevel.checkpoint()
            await self._alarm.sleep_until(self.coordinator.next_deadline_ms)

    def _time_over(self, timer: Any) -> None:
        try:
            self.carry_out(self.coordinator.time_over(timer, self.now()))
        except Exception as defect:
            self._survive_timer(timer, defect)

    @abstractmethod
    def _survive_timer(self, timer: Any, defect: Exception) -> None:
        """Go on after a defect in what a timer was set for."""

    # --------------------------------------------------------------------------------------------------- recovery

    async def _load(self) -> None:
        """Raises OSError, LogFailed, OffsetOutOfRange, ProtocolError; where it is damaged, `damaged_at` says so."""
        await self._loader.load()
        self._appended_offset = self.partition.log.log_end_offset - 1
        self.coordinator.begin(self.now())
        self._answer_when_committed([])
        self._loaded.set()
        self._tell_what_is_loaded()

    @property
    def damaged_at(self) -> int | None:
        """An offset from which on the log could not be read back as it was written."""
        return self._loader.damaged_at

    @abstractmethod
    def _tell_what_is_loaded(self) -> None:
        """A line in the log of the process."""

    @abstractmethod
    def _pass_over(self, record: Record, why: Exception) -> None:
        """Say what is lost with a record that cannot be acted upon, and see to it that nothing else is."""

    def _replay_control(self, batch: memoryview, header: BatchHeader) -> None:
        """A control batch lies in the log; to most coordinators it means nothing."""

    def _committed(self, last_offset: int) -> None:
        """All records up to there will stay."""
