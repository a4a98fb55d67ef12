"""FindCoordinator (API key 10), versions 0-6: find who coordinates a group, a transactional id, a share partition.

Behaviour
    It is the leader of the partition of __consumer_offsets, of __transaction_state, or of __share_group_state, that the
    key hashes to. A share partition's key is group:topicId:partition, the id as Kafka writes it.
    A topic that is missing is made first; unlike Kafka, which then says COORDINATOR_NOT_AVAILABLE once, the answer to
    the same request already names the coordinator.
    Where there is no leader, or it has most likely just died, the answer waits for another for some seconds: librdkafka
    asks three times within a third of a second, and then waits in send_offsets_to_transaction for ever. It does not
    wait where all replicas that may be elected have been dead for longer than a moment.
    Still no leader, or no topic     COORDINATOR_NOT_AVAILABLE; also where the topic was made anew meanwhile, with more
                                     partitions or fewer
    Any other key type, a share partition's before version 6, or a key that names none    INVALID_REQUEST
Versions
    1 key_type, error_message, throttle_time_ms    3 flexible    4 many keys    5 no change    6 share groups
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NewType

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse
from odradek_broker.apis import RequestContext
from odradek_broker.apis.addresses import address_of, leader_of
from odradek_broker.controller.image import GROUP_TOPIC, SHARE_TOPIC, TRANSACTION_TOPIC, TopicImage
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.loop.slices import Slices
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.sharing.records import state_key

REQUEST, VERSIONS = FindCoordinatorRequest, range(7)
WAITS_FOR_OTHERS = True

PATIENCE_SECONDS = 2.0
LOOKS_AGAIN_SECONDS = 0.02
"""A suspicion ends by itself, of which there is no event."""

Index = NewType("Index", int)
Place = Index | ErrorCode
"""The partition of the topic that a key belongs to, or why there is none."""
Leader = tuple[int, str, int]
"""Its id, and where the client reaches it."""
Leaders = dict[Index, Leader | None]

MANY_KEYS = 4
SHARE, SHARE_SINCE = 2, 6
TOPICS = {0: GROUP_TOPIC, 1: TRANSACTION_TOPIC, SHARE: SHARE_TOPIC}
"""By key type."""


async def handle(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    has_many = context.version >= MANY_KEYS
    keys = request.coordinator_keys if has_many else [request.key]
    topic = await _topic(request.key_type, context) if keys else ErrorCode.NONE
    slices, places, found = Slices(), dict[str, Place](), []
    for key in keys:
        places[key] = _place(key, request.key_type, topic)
        await slices.pay()
    leaders = await _leaders({place for place in places.values() if not isinstance(place, ErrorCode)}, topic, context)
    for key in keys:
        found.append(_answer(key, places[key], leaders))
        await slices.pay()
    if has_many:
        return FindCoordinatorResponse(coordinators=found)
    return FindCoordinatorResponse(
        error_code=found[0].error_code,
        error_message=found[0].error_message,
        node_id=found[0].node_id,
        host=found[0].host,
        port=found[0].port,
    )


async def _topic(key_type: int, context: RequestContext) -> TopicImage | ErrorCode:
    """The topic whose partitions' leaders coordinate keys of that type, made if it is missing; or why there is none."""
    name = TOPICS.get(key_type)
    if name is None or (key_type == SHARE and context.version < SHARE_SINCE):
        return ErrorCode.INVALID_REQUEST
    try:
        error = await context.broker.controller.create_topic_if_missing(name)
    except ControllerUnavailable:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    await context.broker.replica_logs.wait_opened({name})
    topic = context.broker.image.topics.get(name)
    return ErrorCode.COORDINATOR_NOT_AVAILABLE if error or topic is None else topic


def _place(key: str, key_type: int, topic: TopicImage | ErrorCode) -> Place:
    if key_type == SHARE and state_key(key) is None:
        return ErrorCode.INVALID_REQUEST
    return topic if isinstance(topic, ErrorCode) else Index(coordinator_partition(key, len(topic.partitions)))


async def _leaders(indices: Collection[Index], topic: TopicImage | ErrorCode, context: RequestContext) -> Leaders:
    """Of all these partitions; or after a while of those that have one."""
    if isinstance(topic, ErrorCode):
        return {}
    found = {index: _leader(topic, index, context) for index in indices}
    with trio.move_on_after(PATIENCE_SECONDS):
        while _is_to_come(topic, found, context) and not context.broker.is_stopping:
            await trio.sleep(LOOKS_AGAIN_SECONDS)
            before, topic = topic, context.broker.image.topics.get(topic.name, topic)
            if len(topic.partitions) != len(before.partitions):
                return dict.fromkeys(indices)  # it was made anew, and keys belong to others of its partitions
            found = {index: _leader(topic, index, context) for index in indices}
    return found


def _is_to_come(topic: TopicImage, found: Leaders, context: RequestContext) -> bool:
    """Whether one that has no leader has a replica that may be elected, and is there or was a moment ago. Else nobody
    waits: nothing else is read of the connection meanwhile, and whoever asks asks again and again."""
    if None not in found.values():
        return False
    broker = context.broker
    alive = {each.broker_id for each in broker.image.brokers.values() if not each.fenced}
    return any(
        replica in alive or broker.reachability.is_remembered(replica)
        for index, leader in found.items()
        if leader is None
        for replica in (*topic.partitions[index].isr, *topic.partitions[index].elr)
    )


def _leader(topic: TopicImage, index: Index, context: RequestContext) -> Leader | None:
    error, leader = leader_of(topic.partitions[index], context)
    address = None if error else address_of(leader, context)
    return None if address is None else (leader, *address)


def _answer(key: str, place: Place, leaders: Leaders) -> Coordinator:
    if isinstance(place, ErrorCode):
        return _nobody(key, place)
    leader = leaders[place]
    if leader is None:
        return _nobody(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    node_id, host, port = leader
    return Coordinator(key=key, node_id=node_id, host=host, port=port, error_message=None)


def _nobody(key: str, error: ErrorCode) -> Coordinator:
    return Coordinator(key=key, node_id=-1, port=-1, error_code=error, error_message=error.sentence)
