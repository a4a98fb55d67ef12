"""Writes what share groups give up into their dead-letter topics (KIP-1191).

A group names its topic (errors.deadletterqueue.topic.name), and the topic has to allow it
(errors.deadletterqueue.group.enable). A record there has headers that say where it comes from and why it was given up;
key and value of the original are in it where the group wants that (errors.deadletterqueue.copy.record.enable).

It is tried for a while, and then done without: what is given up is given up, and the log says what was not written. Who
has rejected a record waits for it meanwhile, so the while ends before clients have no patience left.
Whoever takes over after a failure may write some of it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.controller.image import SHARE_VERSION
from odradek_broker.log.failures import OffsetOutOfRange
from odradek_broker.log.validation import Refused
from odradek_broker.metadata.broker_peers import BrokerPeers
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.metadata.peer import PeerUnreachable

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.share_settings import ShareGroupSettings
    from odradek_broker.log.file_slice import FileSlice
    from odradek_broker.loop.looks import Looks
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_manager import ReplicaManager
    from odradek_broker.sharing.share_partition import GivenUp

logger = logging.getLogger(__name__)

DEAD_LETTERS_SINCE = 2
"""The level of share.version."""
ENABLE = "errors.deadletterqueue.group.enable"
RECORDS_AT_ONCE, BYTES_AT_ONCE = 100, 256 * 1024
"""In one batch; a longer record is alone in its own, since a topic takes no batch of any size."""
ATTEMPTS = 5
BACKOFF_SECONDS = 0.2
"""Twice as long each time."""
COMMIT_SECONDS = 5.0
PATIENCE_SECONDS = 15.0
"""For all that is given up together: half of what Kafka's clients wait for an answer."""
PRODUCE_VERSION = 9

REJECTED = "Offset rejected by client."
DELIVERED_TOO_OFTEN = "Offset delivery count exceeded the threshold."
"""Kafka's words, in the header that says why."""


class DeadLetters:
    """One for a broker."""

    def __init__(
        self, context: NodeContext, replicas: ReplicaManager, controller: ControllerClient, looks: Looks
    ) -> None:
        self._context = context
        self._looks = looks
        self._replicas = replicas
        self._controller = controller
        self._peers = BrokerPeers(context, "dead-letters")

    def close(self) -> None:
        self._peers.close()

    async def write(
        self, group_id: str, partition: Partition, given_up: Sequence[GivenUp], settings: ShareGroupSettings
    ) -> None:
        """Return when it is written, or given up."""
        topic = settings.dead_letter_topic
        if not topic or self._context.image.features.get(SHARE_VERSION, 0) < DEAD_LETTERS_SINCE:
            return
        why = f"it took longer than {PATIENCE_SECONDS:g} s"
        with trio.move_on_after(PATIENCE_SECONDS):
            why = await self._why_not(topic)
            for each in given_up:
                why = why or await self._write_all(topic, _Source(group_id, partition, each), settings)
        if why:
            logger.error(
                "share group %s: %s-%d: what was given up is not in %s: %s",
                *(group_id, partition.topic, partition.index, topic, why),
            )

    async def _why_not(self, topic: str) -> str:
        """Why nothing can be written into the topic; it is made if it may be."""
        config = self._context.config
        prefix = config.errors_deadletterqueue_topic_name_prefix
        if topic.startswith("__") or not topic.startswith(prefix):
            return f"its name must begin with {prefix!r}, and not with __"
        if topic not in self._context.image.topics:
            if not config.errors_deadletterqueue_auto_create_topics_enable:
                return "there is no such topic"
            try:
                await self._controller.create_topic_if_missing(topic, configs={ENABLE: "true"})
            except ControllerUnavailable as unavailable:
                return str(unavailable)
        is_allowed = self._context.image.topic_config(topic).get(ENABLE, "false").lower() == "true"
        return "" if is_allowed else f"{ENABLE} is not set there"

    async def _write_all(self, topic: str, source: _Source, settings: ShareGroupSettings) -> str:
        """Why not all of it is written in the end. A batch of the log is in memory at a time."""
        at, last = source.given_up.first_offset, source.given_up.last_offset
        why, reads = "", settings.dead_letters_copy
        while at <= last and not why:
            originals = await self._originals(source, at) if reads else {}
            reads = bool(originals)
            until = max(originals) if originals else last
            letters = source.letters(at, until, originals, self._context.clock.now_ms())
            for records in _in_parts(letters):
                why = why or await self._write(topic, source.partition.index, records)
            at = until + 1
        return why

    async def _originals(self, source: _Source, at: int) -> dict[int, Record]:
        """What is given up of the batch at that offset, or of the next; nothing where nothing more can be read."""
        partition, last = source.partition, source.given_up.last_offset
        try:
            while at <= last and (read := partition.log.read(at, 1, min_one=True)) is not None:
                records = await self._looks.look(partial(_records_of, read))
                found = {each.offset: each for each in records if at <= each.offset <= last}
                if found:
                    return found
                at = max(at, records[-1].offset if records else at) + 1
        except (OSError, OffsetOutOfRange, ProtocolError) as error:
            logger.warning(
                "%s: what is given up from offset %d on is written without its text: %s", partition, at, error
            )
        return {}

    async def _write(self, topic: str, source_index: int, records: list[Record]) -> str:
        """Why it is not written in the end."""
        batch, error = bytes(build_batch(records)), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        for attempt in range(ATTEMPTS):
            if attempt:
                await trio.sleep(BACKOFF_SECONDS * 2**attempt)
            image = self._context.image.topics.get(topic)
            if image is None:
                continue
            index = source_index % len(image.partitions)
            leader = image.partitions[index].leader
            is_ours = leader == self._context.node_id
            error = await (self._append(topic, index, batch) if is_ours else self._send(leader, topic, index, batch))
            if not error.retriable:
                break
        return error.sentence if error else ""

    async def _append(self, topic: str, index: int, batch: bytes) -> ErrorCode:
        partition = self._replicas.partition(topic, index)
        if isinstance(partition, ErrorCode):
            return partition
        appended = partition.append(memoryview(bytearray(batch)))
        if isinstance(appended, Refused):
            return appended.error
        commit = partition.commit_of(appended.last_offset)
        try:
            with trio.move_on_after(COMMIT_SECONDS):
                return await commit.wait()
            return ErrorCode.REQUEST_TIMED_OUT
        finally:
            commit.leave()

    async def _send(self, leader: int, topic: str, index: int, batch: bytes) -> ErrorCode:
        peer = self._peers.get(leader)
        if peer is None:
            return ErrorCode.LEADER_NOT_AVAILABLE
        data = TopicProduceData(topic, partition_data=[PartitionProduceData(index, batch)])
        request = ProduceRequest(None, -1, int(COMMIT_SECONDS * 1000), [data])
        try:
            answer = await peer.ask(request, ProduceResponse, PRODUCE_VERSION, 2 * COMMIT_SECONDS)
        except PeerUnreachable:
            return ErrorCode.NETWORK_EXCEPTION
        return ErrorCode.from_code(answer.responses[0].partition_responses[0].error_code)


class _Source(NamedTuple):
    """Whose letters they are."""

    group_id: str
    partition: Partition
    given_up: GivenUp

    def letters(self, first: int, last: int, originals: Mapping[int, Record], now_ms: int) -> Iterator[Record]:
        """One for each offset; without a text where the original is not there."""
        _, _, delivery_count, is_rejected = self.given_up
        for offset in range(first, last + 1):
            original = originals.get(offset, Record())
            context = {
                "topic": self.partition.topic,
                "partition": str(self.partition.index),
                "offset": str(offset),
                "group": self.group_id,
                "delivery.count": str(delivery_count),
                "message": REJECTED if is_rejected else DELIVERED_TOO_OFTEN,
            }
            said = tuple((f"__dlq.errors.{name}", text.encode()) for name, text in context.items())
            yield Record(timestamp=now_ms, key=original.key, value=original.value, headers=said)


def _records_of(read: FileSlice) -> list[Record]:
    """Blocks. Raises OSError, ProtocolError."""
    return decode_records(memoryview(read.read()))


def _in_parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    part, size_bytes = list[Record](), 0
    for record in records:
        record_bytes = len(record.key or b"") + len(record.value or b"")
        if part and (len(part) == RECORDS_AT_ONCE or size_bytes + record_bytes > BYTES_AT_ONCE):
            yield part
            part, size_bytes = [], 0
        part.append(record)
        size_bytes += record_bytes
    if part:
        yield part
