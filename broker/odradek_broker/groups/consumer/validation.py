"""What a ConsumerGroupHeartbeat has to say, whatever the group is like. The texts are Kafka's in substance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.coordination.record import fits
from odradek_broker.groups.assignors import ASSIGNORS
from odradek_broker.groups.consumer.member import JOINING_EPOCH, LEAVING_EPOCH, LEAVING_FOR_A_WHILE_EPOCH

FIRST_VERSION_WITH_OWN_ID = 1
"""From then on a member makes up its id, so that a lost answer leaves no ghost behind (KIP-1082)."""


def refuse_malformed(request: ConsumerGroupHeartbeatRequest, version: int, assignors: Sequence[str]) -> None:
    """Raises ApiError."""
    for fault in _faults(request, version):
        raise ApiError(ErrorCode.INVALID_REQUEST, fault)
    chosen = request.server_assignor
    if chosen is not None and (chosen not in assignors or chosen not in ASSIGNORS):
        raise ApiError(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {chosen} is not supported. Supported assignors: {', '.join(assignors)}.",
        )


def _faults(request: ConsumerGroupHeartbeatRequest, version: int) -> Iterable[str]:
    epoch = request.member_epoch
    if not request.member_id and (version >= FIRST_VERSION_WITH_OWN_ID or epoch > 0 or epoch == LEAVING_EPOCH):
        yield "MemberId can't be empty."
    if not request.group_id:
        yield "GroupId can't be empty."
    if request.instance_id == "":
        yield "InstanceId can't be empty."
    if request.rack_id == "":
        yield "RackId can't be empty."
    if epoch == JOINING_EPOCH:
        yield from _faults_of_first(request)
    elif epoch == LEAVING_FOR_A_WHILE_EPOCH and request.instance_id is None:
        yield "InstanceId can't be null."
    elif epoch < LEAVING_FOR_A_WHILE_EPOCH:
        yield "MemberEpoch is invalid."
    texts = (request.group_id, request.member_id, request.instance_id, request.rack_id, request.subscribed_topic_regex)
    if not fits(*texts, *(request.subscribed_topic_names or ())):
        yield "A name is longer than could be recorded."


def _faults_of_first(request: ConsumerGroupHeartbeatRequest) -> Iterable[str]:
    if request.rebalance_timeout_ms == -1:
        yield "RebalanceTimeoutMs must be provided in first request."
    if request.topic_partitions is None or request.topic_partitions:
        yield "TopicPartitions must be empty when (re-)joining."
    if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
        yield "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
