"""Metadata (API key 3), versions 0-13: which brokers, topics and partitions there are, and who leads what.

Behaviour
    Null topics are all of them, an empty list is none; version 0 has no null, and there an empty list is all.
    Unknown name                     UNKNOWN_TOPIC_OR_PARTITION, unless it is made at once: that needs
                                     auto.create.topics.enable, the client's consent (version 4 on), a legal name, and
                                     that no topic of that name has just been deleted
    Illegal or colliding name        INVALID_TOPIC_EXCEPTION
    Unknown id (version 12 on)       UNKNOWN_TOPIC_ID, with a null name
    An id, or no name, in 10 or 11   INVALID_REQUEST for every topic
    Partition without a leader       LEADER_NOT_AVAILABLE; a leader without our listener: LISTENER_NOT_FOUND (6 on)
    A leader that has just died      the answer waits for the next, for a second at most (metadata/reachability.py):
                                     franz-go fails what is written while it knows of no leader of a topic
    Unlike Kafka, which says UNKNOWN_TOPIC_OR_PARTITION at first, a topic that was made is there in the same answer.
    Every broker passes on what the controller must decide, so each names itself as the controller.
Versions
    1 null topics, controller id, racks    2 cluster id    4 allow_auto_topic_creation    5 offline replicas
    7 leader epochs    8 authorized operations    9 flexible    10 topic ids    11 no cluster operations
    12 topics by id    13 an error of the whole answer (never used)
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.apis import RequestContext
from odradek_broker.apis.addresses import leader_of, offline_replicas, reachable_brokers
from odradek_broker.apis.operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR, TOPIC_OPERATIONS
from odradek_broker.controller.image import INTERNAL_TOPICS, PartitionImage, TopicImage
from odradek_broker.controller.names import check_topic_name
from odradek_broker.loop.slices import SLICE
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = MetadataRequest, range(14)

PAUSE_SECONDS = 0.01
"""Who asks has often just lost a leader. Brokers lose it in the same moment, and are to know it before they answer."""

PATIENCE_SECONDS = 1.0
"""For another leader to be elected: no longer than a suspicion lasts. Other answers of the connection wait behind."""
LOOKS_AGAIN_SECONDS = 0.01

MADE_AT_ONCE = 1_000
"""How many topics one request has made. Of the others the client learns that they are not there, and asks again."""

TOPIC_IDS, BY_TOPIC_ID, LISTENER_ERRORS, NULL_IS_ALL = 10, 12, 6, 1

_told = {ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.INVALID_REPLICATION_FACTOR}
"""Why a topic could not be made: what the client is told. Of anything else it only learns that there is no topic."""


def handle(request: MetadataRequest, context: RequestContext) -> MetadataResponse | Awaitable[MetadataResponse]:
    if _is_long(request, context):
        return _answer_from_worker(request, context)
    if TOPIC_IDS <= context.version < BY_TOPIC_ID and _names_by_id(request.topics or ()):
        return _refuse_ids(request.topics or ())
    missing = _missing(request, context)
    if missing:
        return _answer_with_new(request, context, missing)
    if len(context.broker.image.active_brokers) > 1:
        return _answer_after_pause(request, context)
    return _answer(request, context, {})


async def _answer_after_pause(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    await _pause(request, context)
    return _answer(request, context, {})


async def _pause(request: MetadataRequest, context: RequestContext) -> None:
    """Until others have been elected in the place of leaders that have just died."""
    await trio.sleep(PAUSE_SECONDS)
    with trio.move_on_after(PATIENCE_SECONDS):
        while _awaits_election(request, context):  # noqa: ASYNC110 (a suspicion ends by itself)
            await trio.sleep(LOOKS_AGAIN_SECONDS)


def _awaits_election(request: MetadataRequest, context: RequestContext) -> bool:
    """Whether somebody who has most likely just died leads what is asked about. Of a long request that is believed."""
    suspects = context.broker.reachability.suspects(context.broker.image)
    if context.broker.is_stopping:
        return False
    if not suspects or _is_long(request, context):
        return bool(suspects)
    led = (partition for topic in _asked(request, context) for partition in topic.partitions.values())
    return any(partition.leader in suspects for partition in led)


# --------------------------------------------------------------------------------------------------- much to answer


def _is_long(request: MetadataRequest, context: RequestContext) -> bool:
    """Whether the loop would be held by it."""
    topics = context.broker.image.topics if _asks_for_all(request, context) else request.topics or ()
    return len(topics) > SLICE or sum(len(topic.partitions) for topic in _asked(request, context)) > SLICE


def _asks_for_all(request: MetadataRequest, context: RequestContext) -> bool:
    return request.topics is None or (context.version < NULL_IS_ALL and not request.topics)


def _asked(request: MetadataRequest, context: RequestContext) -> Iterable[TopicImage]:
    """Those of the topics that are there."""
    image = context.broker.image
    if request.topics is None or _asks_for_all(request, context):
        return image.topics.values()
    found = (image.topics.get(topic.name or "") or image.topic_by_id(topic.topic_id) for topic in request.topics)
    return (topic for topic in found if topic is not None)


async def _answer_from_worker(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    """The image that is looked at does not change meanwhile; who is suspected is looked at in passing."""
    looks = context.broker.looks
    if TOPIC_IDS <= context.version < BY_TOPIC_ID and _names_by_id(request.topics or ()):
        return _refuse_ids(request.topics or ())
    failures: Mapping[str, ErrorCode] = {}
    if missing := await looks.look(partial(_missing, request, context)):
        failures = await _make(missing, context)
    elif len(context.broker.image.active_brokers) > 1:
        await _pause(request, context)
    return await looks.look(partial(_answer, request, context, failures))


# --------------------------------------------------------------------------------------------------- topics to make


def _missing(request: MetadataRequest, context: RequestContext) -> list[str]:
    """Names of topics that are not there and should be made."""
    if not (request.allow_auto_topic_creation and context.broker.config.auto_create_topics_enable):
        return []
    topics, is_recent = context.broker.image.topics, context.broker.recent_deletions.is_recent
    names = (topic.name for topic in request.topics or () if topic.topic_id == ZERO_UUID and topic.name)
    missing = (name for name in dict.fromkeys(names) if name not in topics and check_topic_name(name) is None)
    return list(itertools.islice((name for name in missing if not is_recent(name)), MADE_AT_ONCE))


async def _answer_with_new(request: MetadataRequest, context: RequestContext, missing: list[str]) -> MetadataResponse:
    return _answer(request, context, await _make(missing, context))


async def _make(missing: list[str], context: RequestContext) -> Mapping[str, ErrorCode]:
    """Why some could not be made."""
    try:
        failures = await context.broker.controller.create_missing_topics(missing)
        await context.broker.replica_logs.wait_opened(set(missing))
        return failures
    except ControllerUnavailable:
        return {}


# ------------------------------------------------------------------------------------------------------- the answer


def _answer(request: MetadataRequest, context: RequestContext, failures: Mapping[str, ErrorCode]) -> MetadataResponse:
    asks_for_operations = request.include_cluster_authorized_operations
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node_id=broker.broker_id, host=address[0], port=address[1], rack=broker.rack)
            for broker, address in reachable_brokers(context)
        ],
        cluster_id=context.broker.image.cluster_id,
        controller_id=context.broker.node_id,
        topics=list(_topics(request, context, failures)),
        cluster_authorized_operations=CLUSTER_OPERATIONS if asks_for_operations else NOT_ASKED_FOR,
    )


def _topics(
    request: MetadataRequest, context: RequestContext, failures: Mapping[str, ErrorCode]
) -> Iterable[MetadataResponseTopic]:
    image = context.broker.image
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED_FOR
    if request.topics is None or _asks_for_all(request, context):
        for topic in image.topics.values():
            yield _topic(topic, operations, context)
        return
    for name, topic_id in dict.fromkeys((topic.name, topic.topic_id) for topic in request.topics):
        if topic_id != ZERO_UUID:
            found = image.topic_by_id(topic_id)
            missing = MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
        elif name is None:
            found = None
            missing = MetadataResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name=None)
        else:
            found = image.topics.get(name)
            missing = _missing_topic(name, failures)
        yield missing if found is None else _topic(found, operations, context)


def _topic(topic: TopicImage, operations: int, context: RequestContext) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[_partition(index, partition, context) for index, partition in topic.partitions.items()],
        topic_authorized_operations=operations,
    )


def _missing_topic(name: str, failures: Mapping[str, ErrorCode]) -> MetadataResponseTopic:
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if check_topic_name(name) is not None:
        error = ErrorCode.INVALID_TOPIC_EXCEPTION
    elif failures.get(name) in _told:
        error = failures[name]
    return MetadataResponseTopic(error_code=error, name=name, is_internal=name in INTERNAL_TOPICS)


def _partition(index: int, partition: PartitionImage, context: RequestContext) -> MetadataResponsePartition:
    error, leader = leader_of(partition, context)
    if error is ErrorCode.LISTENER_NOT_FOUND and context.version < LISTENER_ERRORS:
        error = ErrorCode.LEADER_NOT_AVAILABLE
    return MetadataResponsePartition(
        error_code=error,
        partition_index=index,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=partition.replicas,
        isr_nodes=partition.isr,
        offline_replicas=offline_replicas(partition, context),
    )


# ------------------------------------------------------------------------------------------------ versions 10 and 11


def _names_by_id(topics: Iterable[MetadataRequestTopic]) -> bool:
    return any(topic.name is None or topic.topic_id != ZERO_UUID for topic in topics)


def _refuse_ids(topics: Sequence[MetadataRequestTopic]) -> MetadataResponse:
    """These versions have the field for an id, but its meaning came later."""
    return MetadataResponse(
        topics=[
            MetadataResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name=topic.name or "", topic_id=topic.topic_id)
            for topic in topics
        ]
    )
