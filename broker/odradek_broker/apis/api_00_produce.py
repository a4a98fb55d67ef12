"""Produce (API key 0), versions 3-13: append record batches to partitions this broker leads.

Behaviour
    Partitions are answered one by one; a bad one never fails its neighbours.
    acks=all                  waits until the high watermark passes the batch, else REQUEST_TIMED_OUT; refused with
                              NOT_ENOUGH_REPLICAS while fewer than min.insync.replicas are in sync. Where that becomes
                              so meanwhile the watermark rests: NOT_ENOUGH_REPLICAS_AFTER_APPEND is never said, as
                              nothing is ever committed by too few
    acks=1                    waits until the leader has the batch on stable storage; answers when it is appended where
                              log.flush.policy is interval
    another leader meanwhile  NOT_LEADER_OR_FOLLOWER, whatever that one may have committed at these offsets
    acks=0                    no response is sent; an error closes the connection
    other acks                INVALID_REQUIRED_ACKS
    internal topics           INVALID_TOPIC_EXCEPTION, but for the client id __admin_client; from it, INVALID_RECORD for
                              what the topic's coordinator could not read
    a transactional batch     apis/transactional_produce.py; without a transactional id in the request
                              TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    zstd before version 7     UNSUPPORTED_COMPRESSION_TYPE
    what the log refuses      see odradek_broker.log.validation
    Every wait begins with its append; the next request is read meanwhile.
    What takes long to validate is validated by a worker, and of many partitions each slice is appended by itself: then
    the next request is not read before all is appended.
Versions
    5 log_start_offset    8 record_errors, error_message (KIP-467)    9 flexible    13 topic ids (KIP-516)
Advertised from version 0: old librdkafka compresses nothing where it does not find that (KAFKA-18659).
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import trio
from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import CODEC_MASK, HEADER_BYTES
from odradek.protocol.records.codecs import Codec
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import Held, Later, RequestContext
from odradek_broker.apis.internal_records import why_refused
from odradek_broker.apis.transactional_produce import (
    BY_TOPIC_ID,
    TRANSACTIONAL,
    TurnedAway,
    admit,
    find_strangers,
    topic_name,
)
from odradek_broker.controller.image import INTERNAL_TOPICS
from odradek_broker.log.validation import ATTRIBUTES_LOW_BYTE, Refused, Validated, is_long, validate_beforehand
from odradek_broker.loop.slices import SLICE, Slices
from odradek_broker.partitions.commits import Commit

REQUEST, VERSIONS = ProduceRequest, range(3, 14)
ADVERTISED_VERSIONS = range(14)

ACKS_ALL, ACKS_LEADER, ACKS_NONE = -1, 1, 0
ADMIN_CLIENT_ID = "__admin_client"


class Append(Struct, frozen=True, gc=False):
    """What became of one partition's batch."""

    response: PartitionProduceResponse
    commit: Commit | None = None
    """What is waited for before the response is true."""


Appends = list[tuple[str, bytes, list[Append]]]
"""By topic, with its name and its id, whichever of the two was given. Nothing of the request's bytes."""
Beforehand = dict[int, Validated]
"""By the identity of a partition's data."""


def handle(request: ProduceRequest, context: RequestContext) -> ProduceResponse | LaterResponse | Held | None:
    if _is_long(request, context) or (request.transactional_id is not None and find_strangers(request, context)):
        return Held(_produce_in_turn(request, context))
    if len(request.topic_data) == 1:
        (topic,) = request.topic_data
        return _answer([(topic.name, topic.topic_id, _append_topic(topic, request, context, {}, {}))], request)
    topics = [
        (topic.name, topic.topic_id, _append_topic(topic, request, context, {}, {})) for topic in request.topic_data
    ]
    return _answer(topics, request)


def _is_long(request: ProduceRequest, context: RequestContext) -> bool:
    count, partitions = 0, context.broker.partitions
    for topic in request.topic_data:
        count += 1 + len(topic.partition_data)
        if count > SLICE:
            return True
        name = topic_name(topic, context) or ""
        for data in topic.partition_data:
            partition = partitions.get((name, data.index))
            if partition is not None and is_long(_records(data), partition.log.config):
                return True
    return False


async def _produce_in_turn(request: ProduceRequest, context: RequestContext) -> ProduceResponse | LaterResponse | None:
    """What takes long comes first: between being admitted to a transaction and being appended nothing may wait."""
    beforehand = await _validate_beforehand(request, context)
    topics: Appends = []
    try:
        await _append_in_slices(request, context, beforehand, topics)
    except BaseException:  # nobody waits any more: for what was appended neither
        for commit in _unsettled(topics):
            commit.leave()
        raise
    return _answer(topics, request)


async def _append_in_slices(
    request: ProduceRequest, context: RequestContext, beforehand: Beforehand, topics: Appends
) -> None:
    for topic in request.topic_data:
        appends: list[Append] = []
        topics.append((topic.name, topic.topic_id, appends))
        for at in range(0, max(len(topic.partition_data), 1), SLICE):
            part = structs.replace(topic, partition_data=topic.partition_data[at : at + SLICE])
            turned_away: TurnedAway = {}
            if request.transactional_id is not None:
                alone = structs.replace(request, topic_data=[part])
                strangers = find_strangers(alone, context)
                turned_away = await admit(alone, context, strangers) if strangers else {}
            appends += _append_topic(part, request, context, turned_away, beforehand)
            await trio.lowlevel.checkpoint()


async def _validate_beforehand(request: ProduceRequest, context: RequestContext) -> Beforehand:
    """What a worker has to say of those batches that take long."""
    beforehand: Beforehand = {}
    slices, broker = Slices(), context.broker
    for topic in request.topic_data:
        name = topic_name(topic, context)
        for data in topic.partition_data:
            partition = None if name is None else broker.partitions.get((name, data.index))
            if partition is not None and is_long(_records(data), partition.log.config):
                config, now_ms = partition.log.config, broker.clock.now_ms()
                validate = partial(validate_beforehand, _records(data), config, now_ms)
                beforehand[id(data)] = await broker.looks.look(validate)
            await slices.pay()
    return beforehand


def _records(data: PartitionProduceData) -> memoryview:
    return data.records if isinstance(data.records, memoryview) else memoryview(b"")


def _answer(topics: Appends, request: ProduceRequest) -> ProduceResponse | LaterResponse | None:
    if request.acks == ACKS_NONE:
        for _, _, appends in topics:
            for append in appends:
                if append.response.error_code:
                    error = ErrorCode.from_code(append.response.error_code)
                    raise ProtocolError(f"{error.name} in a Produce request that takes no answer")
        return None
    unsettled = _unsettled(topics)
    if not unsettled:
        return _response(topics)
    return LaterResponse(topics, unsettled, trio.current_time() + request.timeout_ms / 1000)


def _unsettled(topics: Appends) -> list[Commit]:
    return [
        append.commit
        for _, _, appends in topics
        for append in appends
        if append.commit is not None and append.commit.outcome is None
    ]


def _append_topic(
    topic: TopicProduceData,
    request: ProduceRequest,
    context: RequestContext,
    turned_away: TurnedAway,
    beforehand: Beforehand,
) -> list[Append]:
    name = topic_name(topic, context)
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if context.version >= BY_TOPIC_ID else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    refusal = None
    if request.acks not in (ACKS_ALL, ACKS_LEADER, ACKS_NONE):
        refusal = ErrorCode.INVALID_REQUIRED_ACKS
    elif name is None:
        refusal = unknown
    elif name in INTERNAL_TOPICS and context.client_id != ADMIN_CLIENT_ID:
        refusal = ErrorCode.INVALID_TOPIC_EXCEPTION
    if refusal is not None or name is None:
        return [_refused(data.index, refusal or unknown) for data in topic.partition_data]
    return [
        _append(name, data, request, context, beforehand.get(id(data)))
        if not turned_away or (error := turned_away.get(TopicPartition(name, data.index))) is None
        else _refused(data.index, error)
        for data in topic.partition_data
    ]


def _append(
    topic: str,
    data: PartitionProduceData,
    request: ProduceRequest,
    context: RequestContext,
    validated: Validated | None = None,
) -> Append:
    partition = context.broker.replicas.partition(topic, data.index)
    if isinstance(partition, ErrorCode):
        return _refused(data.index, partition)
    records = _records(data)
    if len(records) >= HEADER_BYTES:
        attributes = records[ATTRIBUTES_LOW_BYTE]
        if attributes & TRANSACTIONAL and request.transactional_id is None:
            return _refused(data.index, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        if attributes & CODEC_MASK == Codec.ZSTD and context.version < 7:
            return _refused(data.index, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7")
    if topic in INTERNAL_TOPICS and (refusal := why_refused(topic, records)) is not None:
        return _refused(data.index, refusal.error, refusal.message, refusal)
    if request.acks == ACKS_ALL and not partition.has_enough_replicas:
        return _refused(data.index, ErrorCode.NOT_ENOUGH_REPLICAS)
    appended = partition.append(records, validated=validated)
    if isinstance(appended, Refused):
        return _refused(data.index, appended.error, appended.message, appended)
    response = PartitionProduceResponse(
        data.index, 0, appended.base_offset, appended.log_append_time_ms, appended.log_start_offset
    )
    if request.acks == ACKS_NONE:
        return Append(response)
    wait = partition.commit_of if request.acks == ACKS_ALL else partition.flush_of
    return Append(response, wait(appended.last_offset))


def _refused(index: int, error: ErrorCode, message: str | None = None, refused: Refused | None = None) -> Append:
    errors = () if refused is None else refused.record_errors
    return Append(
        PartitionProduceResponse(
            index=index,
            error_code=error,
            base_offset=-1,
            record_errors=[BatchIndexAndErrorMessage(number, reason) for number, reason in errors],
            error_message=message,
        )
    )


class LaterResponse(Later):
    """The response, once all that it waits for is settled or the time is over.

    With requests that follow one another fast most are settled by the time when their turn to be answered comes.
    """

    def __init__(self, topics: Appends, commits: list[Commit], deadline: float) -> None:
        self._topics = topics
        self._commits = commits
        self._deadline = deadline

    def __await__(self) -> Generator[Any, Any, ProduceResponse]:
        return self._wait().__await__()

    def close(self) -> None:
        for commit in self._commits:
            if commit.outcome is None:
                commit.leave()

    async def _wait(self) -> ProduceResponse:
        try:
            unsettled = [commit for commit in self._commits if commit.outcome is None]
            if unsettled:
                with trio.move_on_at(self._deadline):
                    for commit in unsettled:
                        await commit.wait()
            return _response(self._topics)
        finally:
            self.close()


def _response(topics: Appends) -> ProduceResponse:
    return ProduceResponse(
        [
            TopicProduceResponse(name, topic_id, [_settled(append) for append in appends])
            for name, topic_id, appends in topics
        ]
    )


def _settled(append: Append) -> PartitionProduceResponse:
    if append.commit is None or append.commit.outcome is ErrorCode.NONE:
        return append.response
    return _refused(append.response.index, append.commit.outcome or ErrorCode.REQUEST_TIMED_OUT).response
