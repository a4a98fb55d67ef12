"""FindCoordinator (API key 10), versions 0-6: find who coordinates a group, a transactional id, a share partition.

Behaviour
    It is the leader of the partition of __consumer_offsets, of __transaction_state, or of __share_group_state, that the
    key hashes to. A share partition's key is group:topicId:partition, the id as Kafka writes it.
    A topic that is missing is made first; unlike Kafka, which then says COORDINATOR_NOT_AVAILABLE once, the answer to
    the same request already names the coordinator.
    No leader, or no topic           COORDINATOR_NOT_AVAILABLE
    Any other key type, a share partition's before version 6, or a key that names none    INVALID_REQUEST
Versions
    1 key_type, error_message, throttle_time_ms    3 flexible    4 many keys    5 no change    6 share groups
"""

from __future__ import annotations

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

MANY_KEYS = 4
SHARE, SHARE_SINCE = 2, 6
TOPICS = {0: GROUP_TOPIC, 1: TRANSACTION_TOPIC, SHARE: SHARE_TOPIC}
"""By key type."""


async def handle(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    has_many = context.version >= MANY_KEYS
    keys = request.coordinator_keys if has_many else [request.key]
    topic = await _topic(request.key_type, context) if keys else ErrorCode.NONE
    slices, found = Slices(), []
    for key in keys:
        is_wrong = request.key_type == SHARE and state_key(key) is None
        found.append(_nobody(key, ErrorCode.INVALID_REQUEST) if is_wrong else _find(key, topic, context))
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


def _find(key: str, topic: TopicImage | ErrorCode, context: RequestContext) -> Coordinator:
    if isinstance(topic, ErrorCode):
        return _nobody(key, topic)
    partition = topic.partitions[coordinator_partition(key, len(topic.partitions))]
    error, leader = leader_of(partition, context)
    address = None if error else address_of(leader, context)
    if address is None:
        return _nobody(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return Coordinator(key=key, node_id=leader, host=address[0], port=address[1], error_message=None)


def _nobody(key: str, error: ErrorCode) -> Coordinator:
    return Coordinator(key=key, node_id=-1, port=-1, error_code=error, error_message=error.sentence)
