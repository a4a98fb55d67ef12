"""The consumer: what a program calls.

`async for record in consumer` hands records out of a decoded batch and pays nothing but a look for a cancellation
until that batch is used up. Fetching, heartbeats, rebalances and automatic commits happen in tasks of the scope.

Invariants
    Nothing outlives the scope.
    A record counts as finished when the next one is asked for, or when the scope is left normally. Automatic commits
    say no more than what is finished; a scope that is left by an exception or a cancellation commits nothing.
    One task at a time may ask for records.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar, Unpack, cast, overload

import trio

from odradek.activity import Activities
from odradek.cluster.cluster import Cluster, ClusterConfig
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.consumer.commits import Commits, CommittedOffset
from odradek.consumer.config import ConsumerConfig, ConsumerOptions
from odradek.consumer.cursor import Cursor
from odradek.consumer.epoch_group import EpochGroup
from odradek.consumer.fetcher import Fetcher
from odradek.consumer.group import Group
from odradek.consumer.health import ConsumerHealth
from odradek.consumer.lags import Lags
from odradek.consumer.missing_topics import MissingTopics
from odradek.consumer.partition import PartitionState
from odradek.consumer.positions import Positions
from odradek.consumer.reader import Reader
from odradek.consumer.rebalance import OwnedPartitions
from odradek.consumer.report import consumer_health
from odradek.consumer.subscription import Subscription
from odradek.consumer.unfinished import Unfinished
from odradek.errors import CommitFailed
from odradek.group_position import GroupPosition
from odradek.lag import Lag
from odradek.network import parse_bootstrap
from odradek.offsets import EARLIEST, LATEST, FoundOffset, list_offsets
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.scope import background_nursery
from odradek.topic import Topic
from odradek.wakeup import Changes

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

Names: TypeAlias = str | Sequence[str]


class Consumer(Generic[K, V]):
    """Reads records. Use as `async with Consumer("localhost:9092", topics=["orders"], group="billing") as consumer:`.

    `topics` are names, or Topics that say what keys and values are; or `pattern` is a regular expression for whole
    names; or neither, and `assign` or `subscribe` is called. With `group`, partitions are shared with the group's other
    members and offsets are committed; without, all partitions are read. Further arguments are ConsumerOptions.

    Entering raises BootstrapFailed where no broker answers.
    """

    @overload
    def __init__(
        self: Consumer[bytes | None, bytes | None],
        bootstrap: str | Sequence[str],
        topics: Names = (),
        *,
        pattern: str | re.Pattern[str] | None = None,
        group: str | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: Consumer[K, V],
        bootstrap: str | Sequence[str],
        topics: Topic[K, V] | Sequence[Topic[K, V]],
        *,
        group: str | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        topics: Names | Topic[Any, Any] | Sequence[Topic[Any, Any]] = (),
        *,
        pattern: str | re.Pattern[str] | None = None,
        group: str | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None:
        self.config = ConsumerConfig(**options)
        self.group = group
        self._bootstrap = parse_bootstrap(bootstrap)
        wanted: list[str | Topic[Any, Any]] = [topics] if isinstance(topics, str | Topic) else list(topics)
        self._typed = {topic.name: topic for topic in wanted if isinstance(topic, Topic)}
        names = [topic.name if isinstance(topic, Topic) else topic for topic in wanted]
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"topics are names or Topics, not {type(name).__name__}")
        if self._typed and self.config.show_markers:
            raise ValueError("markers have no type: name the topics, to be shown them")
        if names and pattern is not None:
            raise ValueError("topics and pattern exclude each other")
        self._subscription = Subscription(
            names, pattern, self.config.decompressed_max_bytes, show_markers=self.config.show_markers
        )
        self._activities = Activities()
        self._cursor = Cursor()
        self._changed = Changes()
        self._scope: AbstractAsyncContextManager[Self] | None = None
        self._is_open = False
        self._group: Group | EpochGroup | None = None
        self._commits: Commits | None = None

    # ------------------------------------------------------------------------------------------------ the scope

    async def __aenter__(self) -> Self:
        if self._scope is not None:
            raise RuntimeError("a consumer is entered once")
        self._scope = self._run()
        return await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._scope is not None
        return await self._scope.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Self]:
        config = self.config
        async with background_nursery() as nursery:
            cluster_config = ClusterConfig(
                bootstrap=self._bootstrap,
                client_id=config.client_id,
                request_timeout_ms=config.request_timeout_ms,
                connect_timeout_ms=config.connect_timeout_ms,
                metadata_max_age_ms=config.metadata_max_age_ms,
                retry_backoff_ms=config.retry_backoff_ms,
                security=config.security,
            )
            self._cluster = Cluster(cluster_config, config.surroundings, self._activities, nursery)
            self._track()
            await self._cluster.start()
            self._build()
            self._membership_scope = trio.CancelScope()
            self._group_scope = trio.CancelScope()
            nursery.start_soon(self._fetcher.run)
            nursery.start_soon(self._positions.run)
            nursery.start_soon(self._lags.run)
            nursery.start_soon(self._keep_membership)
            self._is_open = True
            try:
                yield self
                await self._close()
            finally:
                self._is_open = False
                await self._leave()

    def _build(self) -> None:
        config, cluster = self.config, self._cluster
        self._owned = OwnedPartitions(cluster, config, self._subscription, self._cursor, self._changed)
        self._fetcher = Fetcher(cluster, config, self._states, self._fetched)
        self._positions = Positions(cluster, config, self._states, self._found_positions)
        self._owned.positions = self._positions
        self._lags = Lags(cluster, config, self._states)
        self._reader = Reader(
            config,
            self._subscription,
            self._cursor,
            self._owned,
            self._activities,
            self._changed,
            self._fetcher.wake,
        )
        if self.group is not None:
            self._set_up_group(self.group)

    def _set_up_group(self, group: str) -> None:
        if self._subscription.by_hand:
            coordinator, membership = Coordinator(self._cluster, GROUP, group), None
        else:
            kind = EpochGroup if self.config.protocol == "consumer" else Group
            self._group = kind(self._cluster, self.config, group, self._subscription, self._owned)
            coordinator, membership = self._group.coordinator, self._group.membership
        self._reader.group = self._group
        self._commits = Commits(self._cluster, coordinator, group, membership, self.config.instance_id)
        self._owned.commits = self._reader.commits = self._positions.commits = self._commits

    async def _keep_membership(self) -> None:
        """What is to stop before the last commit."""
        with self._membership_scope:
            async with trio.open_nursery() as nursery:
                if self._group is not None:
                    nursery.start_soon(self._run_group, self._group)
                elif not self._subscription.by_hand:
                    nursery.start_soon(self._follow_topics)
                nursery.start_soon(MissingTopics(self._cluster, self._subscription).run)
                if self.config.commit == "auto" and self._commits is not None:
                    nursery.start_soon(self._commit_now_and_then)

    async def _run_group(self, group: Group | EpochGroup) -> None:
        """Alone, so that a consumer that takes to assigning by hand goes on committing now and then."""
        with self._group_scope:
            await group.run()

    async def _close(self) -> None:
        """The scope is left normally: what was handed out is finished."""
        self._cursor.finish()
        self._membership_scope.cancel()
        assigned = self._subscription.assigned
        with trio.move_on_after(self.config.close_timeout_ms / 1000) as patience:
            if self.config.commit == "auto" and self._commits is not None:
                await self._owned.commit_finished(list(self._states()))
            if self.config.on_revoke is not None and assigned:
                await self.config.on_revoke(assigned)
        if patience.cancelled_caught:
            logger.warning("the last commit took longer than close_timeout_ms; records may be read again")

    async def _leave(self) -> None:
        """Shielded and short: the others of the group need not wait for a session timeout."""
        self._membership_scope.cancel()
        if self._group is not None:
            with trio.move_on_after(self.config.close_timeout_ms / 5000) as patience:
                patience.shield = True
                await self._group.leave()

    async def _follow_topics(self) -> None:
        """Without a group: every partition of the topics is ours."""
        while True:
            wanted = set(self._subscription.wanted_partitions(self._cluster.image))
            new = sorted(wanted - set(self._subscription.assigned))
            if new:
                await self._owned.assign(new)
            await self._cluster.changed.wait()

    async def _commit_now_and_then(self) -> None:
        while True:
            await trio.sleep(self.config.auto_commit_interval_ms / 1000)
            if self._group is None or self._group.is_stable:
                await self._owned.commit_finished(list(self._states()))

    # ------------------------------------------------------------------------------------------------- reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record[K, V]:
        """The next record. The one before is finished. Waits for as long as it takes.

        Raises OffsetOutOfRange and NoOffset with start="none", CorruptRecords, and what a broker says that is final;
        and SerializationFailed, with the record in it, which then counts as handed out.
        """
        cursor = self._cursor
        if cursor.index < cursor.limit:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._check_open()
            await self._reader.fill_cursor(None)
            cursor.in_progress = True
        record = cursor.records[cursor.index]
        cursor.index += 1
        if self._typed:
            return self._typed[record.topic].decode(record)
        return cast("Record[K, V]", record)

    async def poll(self, max_records: int | None = None, timeout_s: float | None = None) -> list[Record[K, V]]:
        """What is there now, up to `max_records` (max_poll_records where left out); waits for the first one.

        Empty when nothing came within `timeout_s`. All that earlier calls returned is finished. Raises what
        `async for` raises.
        """
        self._check_open()
        deadline = None if timeout_s is None else trio.current_time() + timeout_s
        if not await self._reader.fill_cursor(deadline):
            return []
        return self._reader.take(max_records or self.config.max_poll_records, self._typed)

    def encode(self, record: Record[K, V]) -> Record[bytes | None, bytes | None]:
        """A record as it is in the log, whatever its topic's type."""
        topic = self._typed.get(record.topic)
        return cast("Record[bytes | None, bytes | None]", record) if topic is None else topic.encode(record)

    # ------------------------------------------------------------------------------------------- what to read

    def subscribe(self, topics: Names = (), *, pattern: str | re.Pattern[str] | None = None) -> None:
        """Read these topics from now on, instead of what was read before."""
        if self._subscription.by_hand:
            raise RuntimeError("partitions are assigned by hand")
        self._subscription.subscribe([topics] if isinstance(topics, str) else topics, pattern)
        self._track()
        if self._is_open:
            self._cluster.wish_refresh()
            if self._group is not None:
                self._group.rejoin("the subscription has changed")
            else:
                wanted = set(self._subscription.wanted_topics(self._cluster.image))
                self._drop([p for p in self._subscription.assigned if p.topic not in wanted])

    async def assign(self, partitions: Collection[TopicPartition | tuple[str, int]]) -> None:
        """Read exactly these partitions, without sharing them with a group; offsets may still be committed to one."""
        if self._subscription.names or self._subscription.pattern is not None:
            raise RuntimeError("the consumer subscribes to topics")
        self._subscription.assign_by_hand()
        if self._group is not None:
            self._group = self._reader.group = None
            self._group_scope.cancel()
        if self.group is not None and (self._commits is None or self._commits.is_member):
            self._set_up_group(self.group)
        wanted = {TopicPartition(*partition) for partition in partitions}
        self._cluster.track(topic for topic, _ in wanted)
        self._drop([p for p in self._subscription.assigned if p not in wanted])
        for topic in sorted({topic for topic, _ in wanted}):
            await self._cluster.topic(topic, self.config.request_timeout_ms / 1000)
        await self._owned.assign(sorted(wanted - set(self._subscription.assigned)))

    @property
    def assignment(self) -> list[TopicPartition]:
        """The partitions that are ours at the moment."""
        return self._subscription.assigned

    async def wait_assigned(self) -> list[TopicPartition]:
        """Wait until some partition is ours, and its position is known."""
        while not self._subscription.states or any(s.position is None or s.held for s in self._states()):
            await self._changed.wait()
        return self.assignment

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out nothing of these, and fetch no more of them; they stay ours."""
        for partition in partitions:
            state = self._subscription.state(partition)
            state.paused = True
            if self._cursor.state is state:
                self._cursor.put_back()

    def resume(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._subscription.state(partition).paused = False
        self._fetcher.wake()
        self._changed.announce()

    @property
    def paused(self) -> list[TopicPartition]:
        """Of the partitions that are ours."""
        return sorted(state.topic_partition for state in self._states() if state.paused)

    def keep_from_committing(self, unfinished: Unfinished) -> Unfinished | None:
        """Let no automatic commit pass what is unfinished there, from now on; returns what was asked before.

        It is told what to forget when partitions are taken away or moved. `process` does this.
        """
        former, self._owned.unfinished = self._owned.unfinished, unfinished
        return former

    # ---------------------------------------------------------------------------------------------- positions

    def position(self, partition: TopicPartition) -> int | None:
        """The offset of the record that is handed out next; None while that is being found out."""
        self._cursor.settle()
        return self._subscription.state(partition).position

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Hand out that offset next. What is in progress of the partition counts as not finished."""
        if offset < 0:
            raise ValueError(f"offset {offset}")
        state = self._subscription.state(partition)
        self._owned.drop_handed_out([state])
        state.seek(offset)
        self._fetcher.wake()

    def seek_to_committed(self, otherwise: Mapping[TopicPartition, int]) -> None:
        """Go on in these partitions where the group has committed by now; where it has committed nothing, at these
        offsets. It is asked before more is handed out, and waits for transactions that are open.

        Raises RuntimeError without a group.
        """
        if self._commits is None:
            raise RuntimeError("a consumer without a group has committed nothing")
        states = {self._subscription.state(partition): offset for partition, offset in otherwise.items()}
        self._owned.drop_handed_out(list(states))
        for state, offset in states.items():
            state.forget_position(None, else_at=offset)
        self._positions.wake()

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Of all that are assigned, where none is named."""
        self._reset(partitions, EARLIEST)

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Of all that are assigned, where none is named."""
        self._reset(partitions, LATEST)

    async def seek_to_time(self, timestamp_ms: int, *partitions: TopicPartition) -> None:
        """To the first record that is not older; to the end where there is none. Returns when that is found."""
        if timestamp_ms < 0:
            raise ValueError(f"timestamp {timestamp_ms}")
        self._reset(partitions, timestamp_ms)
        while any(state.reset_to is not None and state.error is None for state in self._states()):
            await self._changed.wait()

    def _reset(self, partitions: Collection[TopicPartition], timestamp: int) -> None:
        states = [self._subscription.state(partition) for partition in partitions or self.assignment]
        self._owned.drop_handed_out(states)
        for state in states:
            state.forget_position(timestamp)
        self._positions.wake()

    async def offsets_for_time(self, timestamps: Mapping[TopicPartition, int]) -> dict[TopicPartition, FoundOffset]:
        """For each partition the first record that is not older than its time in ms; offset -1 where there is none."""
        return await list_offsets(
            self._cluster,
            timestamps,
            read_committed=self.config.reads_committed,
            timeout_s=self.config.request_timeout_ms / 1000,
        )

    async def end_offsets(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """Where the next record will be written (or, reading committed, become visible); of all that are assigned,
        where none is named."""
        found = await self.offsets_for_time(dict.fromkeys(partitions or self.assignment, LATEST))
        return {partition: answer.offset for partition, answer in found.items()}

    async def beginning_offsets(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """Where the logs begin; of all that are assigned, where none is named."""
        found = await self.offsets_for_time(dict.fromkeys(partitions or self.assignment, EARLIEST))
        return {partition: answer.offset for partition, answer in found.items()}

    async def count_lag(self) -> dict[TopicPartition, Lag]:
        """What the program would still get, as the brokers count it now: records, bytes, and the age of the next one.

        Partitions whose position is being looked up are left out. Raises what a broker says that is final.
        """
        self._cursor.settle()
        return await self._lags.count()

    def lag(self) -> dict[TopicPartition, int | None]:
        """Offsets between the position and the end, as of the last fetch; None while it is not known."""
        self._cursor.settle()
        return {state.topic_partition: state.lag(self.config.reads_committed) for state in self._states()}

    # ------------------------------------------------------------------------------------------------ commits

    async def commit(
        self, what: Record[Any, Any] | Mapping[TopicPartition, int] | None = None
    ) -> dict[TopicPartition, int]:
        """Commit up to and including a record; or the given offsets; or all that has been handed out until now.

        Returns what was committed. During a rebalance it waits, and then commits if the partitions are still ours.
        Raises CommitFailed where they are not, and RuntimeError without a group.
        """
        if self._commits is None:
            raise RuntimeError("a consumer without a group cannot commit")
        self._cursor.settle()
        if what is None:
            offsets = {s.topic_partition: s.position for s in self._states() if s.position is not None}
        elif isinstance(what, Record):
            offsets = {what.topic_partition: what.offset + 1}
        else:
            offsets = dict(what)
        epochs = {partition: self._epoch_at(partition, offset) for partition, offset in offsets.items()}
        self._check_ours(offsets)
        while not await self._reader.commit(
            {partition: CommittedOffset(offset, epochs[partition]) for partition, offset in offsets.items()}
        ):
            self._check_ours(offsets)
        for partition, offset in offsets.items():
            if partition in self._subscription.states:
                self._subscription.states[partition].committed = offset
        return offsets

    @property
    def taken_in_hand(self) -> frozenset[TopicPartition]:
        """Partitions that the group took from us while the program had records of them, which it still has."""
        return frozenset(self._owned.taken_in_hand)

    def group_position(self) -> GroupPosition:
        """All that was handed out, for a transaction to commit.

        Raises RuntimeError without a group, CommitFailed while the group does not know us, or where partitions were
        taken from us with records in the program's hands: it may have given them back, but not what was done since.
        """
        if self.group is None:
            raise RuntimeError("a consumer without a group cannot commit")
        if self.taken_in_hand:
            raise CommitFailed(
                f"the group {self.group} has taken away {', '.join(map(str, sorted(self.taken_in_hand)))}"
            )
        self._cursor.settle()
        member = None if self._group is None else self._group.membership
        if member is not None and not member.member_id:
            raise CommitFailed(f"this consumer is not a member of {self.group} at the moment")
        return GroupPosition(
            self.group,
            -1 if member is None else member.generation,
            "" if member is None else member.member_id,
            None if member is None else self.config.instance_id,
            {s.topic_partition: s.position for s in self._states() if s.position is not None},
        )

    async def committed(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """What the group has committed; partitions with nothing are left out. Raises RuntimeError without a group."""
        if self._commits is None:
            raise RuntimeError("a consumer without a group has committed nothing")
        found = await self._commits.fetch(partitions or self.assignment, stable=self.config.reads_committed)
        return {partition: offset.offset for partition, offset in found.items()}

    def _epoch_at(self, partition: TopicPartition, offset: int) -> int:
        state = self._subscription.states.get(partition)
        return state.position_epoch if state is not None and state.position == offset else -1

    def _check_ours(self, offsets: Mapping[TopicPartition, int]) -> None:
        lost = [partition for partition in offsets if partition not in self._subscription.states]
        if self._group is not None and lost:
            raise CommitFailed(f"{lost[0]} is not assigned to this consumer any more")

    # ------------------------------------------------------------------------------------------------- health

    def health(self) -> ConsumerHealth:
        """What is connected, assigned, lagging, and what is waited for and for how long.

        Lag is as the brokers have counted it last; to look makes them be asked, and asked again for half a minute.
        """
        if not self._is_open:
            return ConsumerHealth([], self._activities.now(), [], None, 0.0)
        self._cursor.settle()
        self._lags.look()
        return consumer_health(self._cluster, self.config, self._subscription, self._group, self._owned, self._lags)

    # ------------------------------------------------------------------------------------------------- inside

    def _states(self) -> Collection[PartitionState]:
        return self._subscription.states.values()

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the consumer is not open")

    def _track(self) -> None:
        if not hasattr(self, "_cluster"):
            return
        self._cluster.track(self._subscription.names)
        if self._subscription.pattern is not None:
            self._cluster.track_all()

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        self._owned.drop_handed_out([self._subscription.state(partition) for partition in partitions])
        self._subscription.remove(partitions)

    def _fetched(self) -> None:
        self._positions.wake()
        self._changed.announce()

    def _found_positions(self) -> None:
        self._fetcher.wake()
        self._changed.announce()
