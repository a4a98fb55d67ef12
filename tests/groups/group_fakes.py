"""A broker of which only __consumer_offsets exists, in memory, with Trio's own clock."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import trio

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.records.batch import iter_headers, stamp
from odradek_broker.apis import Caller, RequestContext, load_apis
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import (
    GROUP_TOPIC,
    GROUP_VERSION,
    BrokerImage,
    MetadataImage,
    PartitionImage,
    TopicImage,
)
from odradek_broker.coordinators.groups import GroupsRuntime
from odradek_broker.log.appendable import Appended
from odradek_broker.log.config import LogConfig
from odradek_broker.log.validation import Refused
from odradek_broker.metadata.reachability import Reachability
from odradek_broker.partitions.commits import Commit, Commits

WALL_MS = 1_700_000_000_000
PARTITIONS = 4
APIS = load_apis()
NONE = ErrorCode.NONE


class TrioClock:
    def now_ms(self) -> int:
        return WALL_MS + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round(trio.current_time() * 1000)


class MemoryLog:
    """Batches one after the other."""

    log_start_offset = 0
    failed: str | None = None
    config = LogConfig()

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.log_end_offset = 0

    def append(self, batch: bytes, leader_epoch: int) -> Appended:
        data = bytearray(batch)
        [(position, header)] = iter_headers(data)
        base_offset = self.log_end_offset
        stamp(data, position, base_offset, leader_epoch)
        self.batches.append(bytes(data))
        self.log_end_offset += header.last_offset_delta + 1
        return Appended(base_offset, self.log_end_offset - 1, -1, 0)

    def read(self, offset: int, max_bytes: int) -> Any:
        data = b"".join(self._from(offset))
        return SimpleNamespace(read=lambda: data) if data else None

    def _from(self, offset: int) -> Iterator[bytes]:
        for batch in self.batches:
            [(_, header)] = iter_headers(batch)
            if header.base_offset >= offset:
                yield batch


class MemoryPartition:
    """A partition whose commits can be held back."""

    topic, index = GROUP_TOPIC, 0

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.leader_epoch = 0
        self.is_leader = True
        self.high_watermark = 0
        self.holds_commits = False
        self.refuses: ErrorCode | None = None
        self._commits = Commits()

    def append_internal(self, batch: bytes) -> Appended | Refused:
        if self.refuses is not None:
            return Refused(self.refuses)
        appended = self.log.append(batch, self.leader_epoch)
        if not self.holds_commits:
            self.commit()
        return appended

    def commit(self) -> None:
        self.high_watermark = self.log.log_end_offset
        self._commits.reached(self.high_watermark)

    def commit_of(self, last_offset: int) -> Commit:
        return self._commits.begin(last_offset) if last_offset >= self.high_watermark else Commit(last_offset, NONE)

    def fail(self) -> None:
        self.log.failed = "no more"
        self._commits.fail(ErrorCode.KAFKA_STORAGE_ERROR)


class MemoryBroker:
    """What GroupsRuntime and the handlers need of a broker."""

    node_id = 1
    has_lease = True  # as its own controller
    is_stopping = False

    def __init__(self, **config: Any) -> None:
        self.config = BrokerConfig(**{"group_initial_rebalance_delay_ms": 0, **config})
        self.clock = self.steady_clock = TrioClock()
        self.random = random.Random(1)
        self.partitions = [MemoryPartition() for _ in range(PARTITIONS)]
        self.image = MetadataImage()
        self.set_topics("t")
        self.controller = self
        self.replica_logs = self.replicas = self
        self.reachability = Reachability(self.clock)
        self.share_membership = self
        self.groups = GroupsRuntime(self, self, self, self)  # type: ignore[arg-type]

    def set_topics(self, *names: str, group_topic: bool = True, partitions: int = 1) -> None:
        one = PartitionImage(replicas=(1,), isr=(1,), leader=1)
        all_alike = dict.fromkeys(range(partitions), one)
        topics = {name: TopicImage(name, name.encode().ljust(16, b"-"), all_alike) for name in names}
        if group_topic:
            topics[GROUP_TOPIC] = TopicImage(GROUP_TOPIC, b"g" * 16, dict.fromkeys(range(PARTITIONS), one))
        self.image = MetadataImage(
            brokers={1: BrokerImage(broker_id=1, epoch=0)},
            topics=topics,
            topic_names={topic.topic_id: name for name, topic in topics.items()},
            features={GROUP_VERSION: 1},
        )

    def partition(self, topic: str, index: int) -> MemoryPartition | ErrorCode:
        return self.partitions[index] if topic == GROUP_TOPIC else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    async def wait_opened(self, topics: Collection[str]) -> None:
        """Logs in memory are open."""
        await trio.lowlevel.checkpoint()

    async def delete_state(self, group_id: str) -> ErrorCode:
        """As the membership of share groups: there is none."""
        await trio.lowlevel.checkpoint()
        return ErrorCode.NONE

    async def look(self, job: Any) -> Any:
        """No worker, but a moment all the same."""
        await trio.lowlevel.checkpoint()
        return job()

    async def create_topic_if_missing(self, name: str) -> ErrorCode:
        if name == GROUP_TOPIC and name not in self.image.topics:
            await trio.lowlevel.checkpoint()
            self.set_topics(*self.image.topics)
        return ErrorCode.NONE if name in self.image.topics else ErrorCode.INVALID_REPLICATION_FACTOR

    async def call(self, request: Any, version: int) -> Any:
        """Send a request through the wire's format to its handler, and its answer back."""
        api = APIS[request.API_KEY]
        assert version in api.versions
        context = RequestContext(self, APIS, version, "me", Caller(("10.0.0.9", 5), ("127.0.0.1", 9092)))  # type: ignore[arg-type]
        understood = decode(type(request), encode(request, version), version)
        response: Any = await api.handle(understood, context)  # type: ignore[misc]
        return decode(type(response), encode(response, version), version)


@asynccontextmanager
async def running(broker: MemoryBroker) -> Any:
    async with trio.open_nursery() as nursery:
        await nursery.start(broker.groups.run)
        yield broker
        broker.groups.close()
        nursery.cancel_scope.cancel()
