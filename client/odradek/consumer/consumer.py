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

import re
from collections.abc import Collection, Sequence
from typing import Any, Generic, Self, TypeAlias, TypeVar, Unpack, cast, overload

import trio

from odradek.consumer.committing import Committing
from odradek.consumer.config import ConsumerOptions, consumer_config
from odradek.consumer.health import ConsumerHealth
from odradek.consumer.report import consumer_health
from odradek.consumer.seeking import Seeking
from odradek.consumer.subscription import Subscription
from odradek.consumer.unfinished import Unfinished
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.topic import Topic

K = TypeVar("K")
V = TypeVar("V")

Names: TypeAlias = str | Sequence[str]


class Consumer(Seeking, Committing, Generic[K, V]):
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
        config = consumer_config(options)
        wanted: list[str | Topic[Any, Any]] = [topics] if isinstance(topics, str | Topic) else list(topics)
        self._typed = {topic.name: topic for topic in wanted if isinstance(topic, Topic)}
        names = [topic.name if isinstance(topic, Topic) else topic for topic in wanted]
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"topics are names or Topics, not {type(name).__name__}")
        if self._typed and config.show_markers:
            raise ValueError("markers have no type: name the topics, to be shown them")
        if names and pattern is not None:
            raise ValueError("topics and pattern exclude each other")
        subscription = Subscription(names, pattern, config.decompressed_max_bytes, show_markers=config.show_markers)
        super().__init__(bootstrap, config, group, subscription)

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
