"""A broker in memory that does as it is told: for what a real one does too rarely, or too slowly, to test with.

It keeps logs of whole batches, knows one group of one member, and answers with real frames, so the client under test
runs unchanged from its connections upwards. `script(RequestClass, step, ...)` replaces its answers one by one:

    lose            the request is processed, the connection breaks before its answer
    refuse          the connection breaks before the request is looked at
    a function      (request, answer as it would have been) -> answer
    not_leader      of Produce: nothing is written, each partition answers NOT_LEADER_OR_FOLLOWER
    None            as usual
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence, Sized
from typing import Any, cast

import trio

from odradek.network import Surroundings
from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.framing import FrameBuffer
from odradek.protocol.headers import encode_response, is_flexible, read_request_header, skip_tags
from odradek.protocol.messages import (
    api_versions,
    fetch,
    find_coordinator,
    heartbeat,
    init_producer_id,
    join_group,
    leave_group,
    list_offsets,
    metadata,
    offset_commit,
    offset_fetch,
    produce,
    share_acknowledge,
    share_fetch,
    sync_group,
)
from odradek.protocol.messages import consumer_group_heartbeat as heartbeats
from odradek.protocol.messages import share_group_heartbeat as sharing
from odradek.protocol.records.batch import iter_headers, read_header, stamp
from odradek.protocol.registry import request_class

HOST, PORT, NODE_ID = "fake", 9092, 1
TOPIC_ID = b"fake topic id 16"

Script = Callable[[Any, Any], Any]


def lose(request: Any, answer: Any) -> Any:
    raise ConnectionResetError


class refuse(Exception):
    """A word of the script."""


class not_leader(Exception):
    """A word of the script."""


class FakeStream:
    """The client's end of a connection."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._frames = FrameBuffer(100_000_000)
        self._to_broker, self._requests = trio.open_memory_channel[bytes](1000)
        self._ready = trio.Event()
        self._bytes = bytearray()
        self.is_closed = False
        broker.nursery.start_soon(self._serve)

    async def receive_into(self, buffer: memoryview) -> int:
        while not self._bytes:
            if self.is_closed:
                return 0
            await self._ready.wait()
            self._ready = trio.Event()
        await trio.lowlevel.checkpoint()
        count = min(len(buffer), len(self._bytes))
        buffer[:count] = self._bytes[:count]
        del self._bytes[:count]
        return count

    async def send(self, pieces: Sequence[Sized]) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_closed:
            raise BrokenPipeError
        data = b"".join(cast("Sequence[bytes]", pieces))
        while data:
            room = self._frames.room()
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self._frames.received(count)
            data = data[count:]
            while (frame := self._frames.next_frame()) is not None:
                self._to_broker.send_nowait(bytes(frame))

    def close(self) -> None:
        self.is_closed = True
        self._ready.set()
        self._to_broker.close()

    async def _serve(self) -> None:
        async for frame in self._requests:
            try:
                answer = await self._broker.answer(frame)
            except (ConnectionResetError, refuse):
                self.close()
                return
            if answer is not None and not self.is_closed:
                self._bytes += answer
                self._ready.set()


class FakeBroker:
    """Give it a nursery, tell the client `surroundings`."""

    def __init__(self, nursery: trio.Nursery, **topics: int) -> None:
        self.nursery = nursery
        self.logs: dict[tuple[str, int], list[bytes]] = {(t, i): [] for t, n in topics.items() for i in range(n)}
        self.topics = dict(topics)
        self.committed: dict[tuple[str, int], int] = {}
        self.seen: list[Any] = []
        self.commits: list[dict[tuple[str, int], int]] = []
        self.is_reachable = True
        self.versions: dict[int, tuple[int, int]] = {}
        """Ranges to announce that differ from all we know."""
        self.old_api_versions = False
        """Errors of ApiVersions are answered in version 0, as by a broker that knows no better."""
        self.surroundings = Surroundings(network=self)
        self._leads = True
        self._last_producer_id = 6
        self._scripts: defaultdict[type, deque[Script | type[Exception] | None]] = defaultdict(deque)
        self._appended = trio.Event()
        self._assignment = b""
        self._generation = 0
        self._member_count = 0
        self._shared = 0
        """Batches that were given to share consumers."""
        self._sequences: dict[tuple[str, int, int], list[tuple[int, int, int, int]]] = {}

    async def connect(self, host: str, port: int, tls: object = None) -> FakeStream:
        await trio.lowlevel.checkpoint()
        if not self.is_reachable:
            raise ConnectionRefusedError("the fake broker is not reachable")
        return FakeStream(self)

    def script(self, request: type, *steps: Script | type[Exception] | None) -> None:
        """What to do with the next requests of that class."""
        self._scripts[request].extend(steps)

    def forget_script(self, request: type) -> None:
        """Answer the next of them as they should be."""
        self._scripts[request].clear()

    def count(self, request: type) -> int:
        """How many of them came."""
        return sum(isinstance(message, request) for message in self.seen)

    def records_in(self, topic: str, partition: int = 0) -> int:
        """How many records the log holds."""
        return sum(read_header(batch).record_count for batch in self.logs[topic, partition])

    async def answer(self, frame: bytes) -> bytes | None:
        header, position = read_request_header(frame)
        cls = request_class(header.api_key)
        if is_flexible(cls, header.api_version):
            position = skip_tags(frame, position)
        request = decode(cls, frame, header.api_version, position)
        self.seen.append(request)
        step = self._scripts[cls].popleft() if self._scripts[cls] else None
        if step is refuse:
            raise refuse
        self._leads = step is not not_leader
        name = cls.__name__.removesuffix("Request")
        response = await getattr(self, f"_{name}")(request, header.api_version)
        if step is not None and self._leads:
            response = cast("Script", step)(request, response)
        if response is None:
            return None
        version = header.api_version
        if self.old_api_versions and cls is api_versions.ApiVersionsRequest and response.error_code:
            version = 0
        return self.frame(response, version, header.correlation_id)

    def frame(self, response: Any, version: int, correlation_id: int) -> bytes:
        """The bytes of an answer."""
        return b"".join(cast("list[bytes]", encode_response(response, version, correlation_id)))

    # ------------------------------------------------------------------------------------- one method for each API

    async def _ApiVersions(self, request: Any, version: int) -> Any:
        keys = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18, 22]
        ranges = {key: (request_class(key).VERSIONS[0], request_class(key).VERSIONS[-1]) for key in keys}
        ranges.update(self.versions)
        return api_versions.ApiVersionsResponse(
            api_keys=[api_versions.ApiVersion(key, low, high) for key, (low, high) in ranges.items()]
        )

    async def _ConsumerGroupHeartbeat(self, request: heartbeats.ConsumerGroupHeartbeatRequest, version: int) -> Any:
        """Its one member has every partition of what it subscribes to. Announced where `versions` has key 68."""
        given = None
        if request.subscribed_topic_names is not None:
            topics = [(self._topic_id(name), self.topics[name]) for name in request.subscribed_topic_names]
            given = heartbeats.Assignment([heartbeats.TopicPartitions(id, list(range(count))) for id, count in topics])
        return heartbeats.ConsumerGroupHeartbeatResponse(
            member_id=request.member_id,
            member_epoch=min(request.member_epoch, 0) or 1,
            heartbeat_interval_ms=3_000,
            assignment=given,
        )

    async def _ShareGroupHeartbeat(self, request: Any, version: int) -> Any:
        topics = [(self._topic_id(name), count) for name, count in self.topics.items()]
        given = sharing.Assignment([sharing.TopicPartitions(id, list(range(count))) for id, count in topics])
        return sharing.ShareGroupHeartbeatResponse(
            member_id=request.member_id,
            member_epoch=min(request.member_epoch, 0) or 1,
            heartbeat_interval_ms=1_000,
            assignment=given,
        )

    async def _ShareFetch(self, request: share_fetch.ShareFetchRequest, version: int) -> Any:
        """A batch of the first topic's first partition with each answer, while there are some."""
        name = next(iter(self.topics))
        if self._shared == len(self.logs[name, 0]):
            await trio.sleep(request.max_wait_ms / 1000)
            return share_fetch.ShareFetchResponse(acquisition_lock_timeout_ms=30_000)
        batch = self.logs[name, 0][self._shared]
        self._shared += 1
        header = read_header(batch)
        acquired = [share_fetch.AcquiredRecords(header.base_offset, header.last_offset, 1)]
        data = share_fetch.PartitionData(0, records=batch, acquired_records=acquired)
        topics = [share_fetch.ShareFetchableTopicResponse(self._topic_id(name), [data])]
        return share_fetch.ShareFetchResponse(acquisition_lock_timeout_ms=30_000, responses=topics)

    async def _ShareAcknowledge(self, request: share_acknowledge.ShareAcknowledgeRequest, version: int) -> Any:
        answers = [
            share_acknowledge.ShareAcknowledgeTopicResponse(
                topic.topic_id, [share_acknowledge.PartitionData(each.partition_index) for each in topic.partitions]
            )
            for topic in request.topics
        ]
        return share_acknowledge.ShareAcknowledgeResponse(acquisition_lock_timeout_ms=30_000, responses=answers)

    async def _Metadata(self, request: metadata.MetadataRequest, version: int) -> Any:
        names = list(self.topics) if request.topics is None else [topic.name for topic in request.topics]
        topics = []
        for name in names:
            if name not in self.topics:
                code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                topics.append(metadata.MetadataResponseTopic(error_code=code, name=name))
                continue
            partitions = [
                metadata.MetadataResponsePartition(
                    partition_index=i, leader_id=NODE_ID, leader_epoch=0, replica_nodes=[NODE_ID], isr_nodes=[NODE_ID]
                )
                for i in range(self.topics[name])
            ]
            topics.append(
                metadata.MetadataResponseTopic(name=name, topic_id=self._topic_id(name), partitions=partitions)
            )
        brokers = [metadata.MetadataResponseBroker(NODE_ID, HOST, PORT)]
        return metadata.MetadataResponse(brokers=brokers, cluster_id="fake", controller_id=NODE_ID, topics=topics)

    @staticmethod
    def _topic_id(name: str) -> bytes:
        return name.encode().ljust(16, b"-")[:16]

    def _name(self, topic_id: bytes) -> str:
        return next(name for name in self.topics if self._topic_id(name) == topic_id)

    async def _InitProducerId(self, request: Any, version: int) -> Any:
        self._last_producer_id += 1
        return init_producer_id.InitProducerIdResponse(producer_id=self._last_producer_id, producer_epoch=0)

    async def _Produce(self, request: produce.ProduceRequest, version: int) -> Any:
        topics = []
        for topic in request.topic_data:
            name = topic.name or self._name(topic.topic_id)
            partitions = [self._append(name, data) for data in topic.partition_data]
            topics.append(produce.TopicProduceResponse(topic.name, topic.topic_id, partitions))
        return produce.ProduceResponse(responses=topics) if request.acks else None

    def _append(self, topic: str, data: produce.PartitionProduceData) -> produce.PartitionProduceResponse:
        batch = bytearray(cast(bytes, data.records))
        if not self._leads:
            return produce.PartitionProduceResponse(data.index, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
        header = read_header(batch)
        log = self.logs[topic, data.index]
        if header.producer_id >= 0:
            verdict = self._check_sequence(topic, data.index, header)
            if isinstance(verdict, ErrorCode):
                return produce.PartitionProduceResponse(data.index, verdict, -1)
            if verdict is not None:
                return produce.PartitionProduceResponse(data.index, 0, verdict)
        base_offset = self.end(topic, data.index)
        stamp(batch, 0, base_offset, 0)
        log.append(bytes(batch))
        if header.producer_id >= 0:
            self._sequences[topic, data.index, header.producer_id].append(
                (header.producer_epoch, header.base_sequence, header.record_count, base_offset)
            )
        self._appended.set()
        self._appended = trio.Event()
        return produce.PartitionProduceResponse(data.index, 0, base_offset)

    def _check_sequence(self, topic: str, partition: int, header: Any) -> ErrorCode | int | None:
        written = self._sequences.setdefault((topic, partition, header.producer_id), [])
        for epoch, sequence, count, offset in written[-5:]:
            if (epoch, sequence, count) == (header.producer_epoch, header.base_sequence, header.record_count):
                return offset
        if written:
            epoch, sequence, count, _ = written[-1]
            expected = 0 if header.producer_epoch > epoch else (sequence + count) % 2**31
            if header.producer_epoch < epoch:
                return ErrorCode.INVALID_PRODUCER_EPOCH
            if header.base_sequence != expected:
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        return None

    def end(self, topic: str, partition: int) -> int:
        log = self.logs[topic, partition]
        return read_header(log[-1]).last_offset + 1 if log else 0

    async def _Fetch(self, request: fetch.FetchRequest, version: int) -> Any:
        response = self._fetched(request)
        if not any(len(cast(bytes, p.records)) or p.error_code for t in response.responses for p in t.partitions):
            with trio.move_on_after(request.max_wait_ms / 1000):
                await self._appended.wait()
            response = self._fetched(request)
        return response

    def _fetched(self, request: fetch.FetchRequest) -> fetch.FetchResponse:
        topics = []
        for topic in request.topics:
            name = topic.topic or self._name(topic.topic_id)
            partitions = []
            for asked in topic.partitions:
                end = self.end(name, asked.partition)
                code = ErrorCode.OFFSET_OUT_OF_RANGE if asked.fetch_offset > end else ErrorCode.NONE
                records = bytearray()
                for batch in self.logs[name, asked.partition]:
                    if (
                        read_header(batch).last_offset >= asked.fetch_offset
                        and len(records) < asked.partition_max_bytes
                    ):
                        records += batch
                partitions.append(
                    fetch.PartitionData(asked.partition, code, end, end, 0, aborted_transactions=None, records=records)
                )
            topics.append(fetch.FetchableTopicResponse(topic.topic, topic.topic_id, partitions))
        return fetch.FetchResponse(responses=topics)

    async def _ListOffsets(self, request: list_offsets.ListOffsetsRequest, version: int) -> Any:
        topics = []
        for topic in request.topics:
            partitions = []
            for asked in topic.partitions:
                offset = self._offset_at(topic.name, asked.partition_index, asked.timestamp)
                partitions.append(
                    list_offsets.ListOffsetsPartitionResponse(asked.partition_index, offset=offset, leader_epoch=0)
                )
            topics.append(list_offsets.ListOffsetsTopicResponse(topic.name, partitions))
        return list_offsets.ListOffsetsResponse(topics=topics)

    def _offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        if timestamp == -2:
            return 0
        if timestamp == -1:
            return self.end(topic, partition)
        for batch in self.logs[topic, partition]:
            for _, header in iter_headers(batch):
                if header.max_timestamp >= timestamp:
                    return int(header.base_offset)
        return -1

    async def _FindCoordinator(self, request: Any, version: int) -> Any:
        found = [find_coordinator.Coordinator(key, NODE_ID, HOST, PORT) for key in request.coordinator_keys]
        return find_coordinator.FindCoordinatorResponse(
            coordinators=found, node_id=NODE_ID, host=HOST, port=PORT, error_message=None
        )

    async def _JoinGroup(self, request: join_group.JoinGroupRequest, version: int) -> Any:
        if not request.member_id and version >= 4:
            self._member_count += 1
            member_id = f"member-{self._member_count}"
            return join_group.JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id)
        self._generation += 1
        protocol = request.protocols[0]
        return join_group.JoinGroupResponse(
            generation_id=self._generation,
            protocol_type=request.protocol_type,
            protocol_name=protocol.name,
            leader=request.member_id,
            member_id=request.member_id,
            members=[join_group.JoinGroupResponseMember(request.member_id, None, protocol.metadata)],
        )

    async def _SyncGroup(self, request: sync_group.SyncGroupRequest, version: int) -> Any:
        for assignment in request.assignments:
            if assignment.member_id == request.member_id:
                self._assignment = assignment.assignment
        return sync_group.SyncGroupResponse(assignment=self._assignment)

    async def _Heartbeat(self, request: Any, version: int) -> Any:
        return heartbeat.HeartbeatResponse()

    async def _LeaveGroup(self, request: Any, version: int) -> Any:
        return leave_group.LeaveGroupResponse()

    async def _OffsetCommit(self, request: offset_commit.OffsetCommitRequest, version: int) -> Any:
        offsets = {(t.name, p.partition_index): p.committed_offset for t in request.topics for p in t.partitions}
        self.commits.append(offsets)
        self.committed.update(offsets)
        return offset_commit.OffsetCommitResponse(
            topics=[
                offset_commit.OffsetCommitResponseTopic(
                    name=t.name,
                    partitions=[offset_commit.OffsetCommitResponsePartition(p.partition_index) for p in t.partitions],
                )
                for t in request.topics
            ]
        )

    async def _OffsetFetch(self, request: offset_fetch.OffsetFetchRequest, version: int) -> Any:
        groups = []
        for group in request.groups:
            topics = [
                offset_fetch.OffsetFetchResponseTopics(
                    name=t.name,
                    partitions=[
                        offset_fetch.OffsetFetchResponsePartitions(i, self.committed.get((t.name, i), -1))
                        for i in t.partition_indexes
                    ],
                )
                for t in group.topics or ()
            ]
            groups.append(offset_fetch.OffsetFetchResponseGroup(group.group_id, topics))
        return offset_fetch.OffsetFetchResponse(groups=groups)
