"""One partition that this broker leads, as one share group takes it apart: its core, its records, and what is stored.

It reads back what is stored, then shares. What members acknowledge is collected, and stored by one question at a time:
what comes meanwhile goes with the next. Where it cannot be stored, where another leads, or where the group has begun
anew, all of this is thrown away, and whoever waits is told so; what members have in hand is then available again.

Invariants
    A member is told that its acknowledgement counts when that is stored, and not before. What is given up is in the
        group's dead-letter topic before that, or cannot be written there.
    Between finding records and acquiring them nobody else runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import iter_headers
from odradek_broker.config.group_keys import reset_age_ms
from odradek_broker.coordinators.share_settings import EARLIEST, ShareGroupSettings
from odradek_broker.log.failures import DamagedLog, OffsetOutOfRange
from odradek_broker.loop.alarm import Alarm
from odradek_broker.loop.slices import Slices
from odradek_broker.partitions.commits import Commit, Commits
from odradek_broker.partitions.offsets_by_time import Deposed, first_offset_by_time
from odradek_broker.sharing.records import StateKey, ranges_of
from odradek_broker.sharing.share_partition import Acknowledgement, Acquired, LogBatch, SharePartition
from odradek_broker.sharing.share_state import UNINITIALIZED, Write

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.dead_letters import DeadLetters
    from odradek_broker.coordinators.share_persister import SharePersister
    from odradek_broker.log.file_slice import FileSlice
    from odradek_broker.loop.looks import Looks
    from odradek_broker.partitions.partition import Partition

_TOLD = {
    ErrorCode.FENCED_LEADER_EPOCH: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.NOT_COORDINATOR: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
}
"""What members are told of a share coordinator's refusal; others by their own name."""


class Given(NamedTuple):
    """Whole batches, and which of their records the member has acquired."""

    records: memoryview
    acquired: list[Acquired]


class _Placed(NamedTuple):
    """A batch, and where its bytes are in what was read."""

    position: int
    end: int
    batch: LogBatch


NOTHING = Given(memoryview(b""), [])


class ShareLeader:
    """Made when a member first fetches the partition; `run` until it is closed."""

    def __init__(
        self,
        key: StateKey,
        partition: Partition,
        context: NodeContext,
        looks: Looks,
        met_damage: Callable[[Partition, DamagedLog], bool],
        persister: SharePersister,
        dead_letters: DeadLetters,
        settings: Callable[[], ShareGroupSettings],
    ) -> None:
        """`met_damage` says whether another replica has what is damaged here."""
        self.key = key
        self.partition = partition
        self.leader_epoch = partition.leader_epoch
        self.error = ErrorCode.NONE
        """Why it no longer shares."""
        self.ends_when_stored = False
        """No member of the group fetches the partition any longer."""
        self._context = context
        self._looks = looks
        self._met_damage = met_damage
        self._persister = persister
        self._dead_letters = dead_letters
        self._settings = settings
        self._state_epoch = 0
        self._core: SharePartition | None = None
        self._loaded = trio.Event()
        self._scope = trio.CancelScope()
        self._stores, self._stored = Commits(), 0
        self._has_changes = trio.Event()
        self._alarm = Alarm(self._now_ms)
        self._fetchers: set[trio.Event] = set()

    # ---------------------------------------------------------------------------------------------------------- life

    async def run(self) -> None:
        """Share until closed; `error` says why it ended."""
        with self._scope:
            error = await self._load()
            if error:
                self.close(error)
                return
            self._loaded.set()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_locks)
                self.close(await self._store_changes())

    def close(self, error: ErrorCode) -> None:
        self.error = self.error or error
        self._loaded.set()
        self._scope.cancel()
        self._stores.fail(self.error)
        self._wake_fetchers()

    @property
    def is_loaded(self) -> bool:
        return self._core is not None

    async def wait_loaded(self) -> ErrorCode:
        """NONE, or why it does not share."""
        await self._loaded.wait()
        return self.error

    async def _load(self) -> ErrorCode:
        found = await self._persister.read(self.key, self.leader_epoch)
        if isinstance(found, ErrorCode):
            return _TOLD.get(found, found)
        try:
            start_offset = found.start_offset
            if start_offset == UNINITIALIZED:
                start_offset = await self._initial_offset()
            ranges = ranges_of(found.state_batches)
        except Deposed:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        except (OSError, ProtocolError):
            return ErrorCode.KAFKA_STORAGE_ERROR
        self._state_epoch = found.state_epoch
        self._core = SharePartition(self._settings().partition, start_offset, ranges)
        return ErrorCode.NONE

    async def _initial_offset(self) -> int:
        """Where a group begins that has never shared the partition. Raises OSError, ProtocolError, Deposed."""
        settings, log = self._settings(), self.partition.log
        if settings.auto_offset_reset == EARLIEST:
            return log.log_start_offset
        limit, age_ms = self._limit(settings), reset_age_ms(settings.auto_offset_reset)
        if age_ms is None:
            return limit
        young = self._context.clock.now_ms() - age_ms
        found = await first_offset_by_time(self.partition, young, limit, Slices(), self._looks)
        return limit if found is None else found.offset

    async def _watch_locks(self) -> None:
        core = self._shared
        while True:
            await self._alarm.sleep_until(core.next_deadline_ms)
            self._expire()

    def _expire(self) -> None:
        if self._shared.expire(self._now_ms()):
            self._changed()

    async def _store_changes(self) -> ErrorCode:
        """Until there is an end to it: why."""
        while True:
            changes = self._shared.take_changes()
            if changes is None:
                if self.ends_when_stored and self._shared.next_deadline_ms is None:
                    return ErrorCode.NOT_LEADER_OR_FOLLOWER
                await self._has_changes.wait()
                self._has_changes = trio.Event()
                continue
            if changes.given_up:
                await self._dead_letters.write(self.key.group_id, self.partition, changes.given_up, self._settings())
            write = Write(
                *(self._state_epoch, self.leader_epoch, changes.start_offset, changes.delivery_complete_count),
                changes.batches,
            )
            error = await self._persister.write(self.key, write)
            if error:
                return _TOLD.get(error, error)
            self._stored = changes.number
            self._stores.reached(changes.number + 1)

    # ------------------------------------------------------------------------------------------------------- fetching

    def find(self, max_bytes: int) -> FileSlice | ErrorCode | None:
        """Where records lie that may be acquired; None where there are none now."""
        core, log = self._shared, self.partition.log
        core.settings = self._settings().partition
        self._expire()
        core.log_starts_at(log.log_start_offset)
        offset = core.next_fetch_offset
        if not core.may_acquire or offset >= log.log_end_offset:
            return None
        try:
            return log.read(offset, max_bytes, max_offset=self._limit(self._settings()), min_one=True)
        except OffsetOutOfRange:
            return None
        except DamagedLog as damage:
            is_mended = self._met_damage(self.partition, damage)
            return ErrorCode.KAFKA_STORAGE_ERROR if is_mended else ErrorCode.CORRUPT_MESSAGE
        except OSError:
            return ErrorCode.KAFKA_STORAGE_ERROR

    def acquire(self, member_id: str, found: FileSlice, max_records: int, *, strict: bool) -> Given | ErrorCode:
        """Give a member what `find` has just found. It may come to nothing, and `find` find other records then."""
        core = self._shared
        try:
            data = memoryview(found.read())
            batches = list(self._batches(found, data))
        except OSError:
            return ErrorCode.KAFKA_STORAGE_ERROR
        except ProtocolError:
            return ErrorCode.CORRUPT_MESSAGE
        visible = [each.batch for each in batches]
        acquired = core.acquire(member_id, visible, max_records, self._now_ms(), strict=strict)
        self._look_at_locks()
        self._store_soon()
        if not acquired:
            return NOTHING
        first, last = acquired[0].first_offset, acquired[-1].last_offset
        kept = [each for each in batches if each.batch.last_offset >= first and each.batch.first_offset <= last]
        return Given(data[kept[0].position : kept[-1].end], acquired)

    def _batches(self, found: FileSlice, data: memoryview) -> Iterator[_Placed]:
        """Raises OSError, ProtocolError."""
        settings, offset = self._settings(), self._shared.next_fetch_offset
        aborted = self.partition.log.aborted_in(offset, found, self._limit(settings)) if settings.is_committed else []
        for position, header in iter_headers(data):
            is_aborted = header.is_transactional and any(
                each.producer_id == header.producer_id and each.first_offset <= header.base_offset <= each.last_offset
                for each in aborted
            )
            is_visible = not header.is_control and not is_aborted
            batch = LogBatch(header.base_offset, header.last_offset, is_visible)
            yield _Placed(position, position + header.size_bytes, batch)

    def _limit(self, settings: ShareGroupSettings) -> int:
        return self.partition.last_stable_offset if settings.is_committed else self.partition.high_watermark

    def add_fetcher(self, event: trio.Event) -> None:
        """Set the event once, when there may be more to acquire, or nothing ever will be."""
        self._fetchers.add(event)
        self.partition.add_reader(event)

    def remove_fetcher(self, event: trio.Event) -> None:
        self._fetchers.discard(event)
        self.partition.remove_reader(event)

    # -------------------------------------------------------------------------------------------------- acknowledging

    def acknowledge(self, member_id: str, acknowledgements: Sequence[Acknowledgement]) -> Commit | ErrorCode:
        """Why it does not count, or what to wait for: from then on it does."""
        core = self._shared
        self._expire()
        error = core.acknowledge(member_id, acknowledgements, self._now_ms())
        if error:
            return error
        self._changed()
        if core.change_number <= self._stored:
            return Commit(core.change_number, ErrorCode.NONE)
        return self._stores.begin(core.change_number)

    def release(self, member_id: str) -> None:
        """The member's session is over."""
        if self._core is not None:
            self._core.release(member_id)
            self._changed()

    def end_when_stored(self) -> None:
        """Nobody fetches this any longer: go, once nothing is in hand, and all is stored."""
        self.ends_when_stored = True
        self._has_changes.set()

    # ------------------------------------------------------------------------------------------------------------ own

    @property
    def _shared(self) -> SharePartition:
        assert self._core is not None, "it is loaded"
        return self._core

    def _now_ms(self) -> int:
        return self._context.steady_clock.monotonic_ms()

    def _changed(self) -> None:
        """Something may be available, and something may have to be stored."""
        self._store_soon()
        self._look_at_locks()
        self._wake_fetchers()

    def _store_soon(self) -> None:
        if self._shared.change_number > self._stored:
            self._has_changes.set()

    def _look_at_locks(self) -> None:
        self._alarm.set(self._shared.next_deadline_ms)

    def _wake_fetchers(self) -> None:
        for event in self._fetchers:
            event.set()
        self._fetchers.clear()
