"""The controller's side of Forward and FollowMetadata: for other processes by way of the handlers in apis/, and for the
broker in the same process without a connection.

A decision is durable before it is shown or answered. Where the right to decide has lapsed in between, the answer is
NOT_CONTROLLER: the decision stands, and whoever has asked asks the next controller, which knows of it.

So an answer may be lost, and a broker asks again until its client's patience is over: what it forwards may be carried
out twice, or once though the client was told that the time was over; never after that (stamps.py). What comes of it:

    AllocateProducerIds             a block of ids that nobody uses
    AlterPartition                  nothing: it names the partition's epoch, which is another by then
    BrokerHeartbeat                 nothing
    BrokerRegistration              nothing: one incarnation has one epoch
    ReplicaFaults                   a replica that has caught up in between has to do so again
    CreateTopics, CreatePartitions  the second answer is TOPIC_ALREADY_EXISTS, or INVALID_PARTITIONS
    DeleteTopics                    the second answer is UNKNOWN_TOPIC_OR_PARTITION
    ElectLeaders                    the second answer is ELECTION_NOT_NEEDED
    AlterUserScramCredentials       the second answer to a deletion is RESOURCE_NOT_FOUND
    CreateToken                     another token, which nobody knows of and which expires
    ExpireToken                     the second answer is DELEGATION_TOKEN_NOT_FOUND, where it was to end at once
    RenewToken                      nothing
    DeleteAcls                      the second answer names none of them
    CreateAcls, AlterClientQuotas, AlterConfigs, IncrementalAlterConfigs, AlterPartitionReassignments,
    UnregisterBroker, UpdateFeatures    nothing
    What names no epoch (from DeleteTopics on) may meet what somebody else has asked for between the two, and undo it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from odradek.protocol.messages.alter_partition import AlterPartitionRequest
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest
from odradek.protocol.registry import request_class, response_class
from odradek_broker.controller import delegation_tokens, replica_faults
from odradek_broker.metadata.active import Arrived
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardRequest,
    ForwardResponse,
)

if TYPE_CHECKING:
    from odradek_broker.metadata.active import ControllerRuntime


OWN_MESSAGES = replica_faults.MESSAGES | delegation_tokens.MESSAGES
"""Request and response by key: of what may be forwarded to a controller, those that Kafka has no like of."""

HARMLESS_WHEN_LATE = {AllocateProducerIdsRequest, AlterPartitionRequest, BrokerHeartbeatRequest}
"""They name the epoch of the broker, or of the partition, to which they belong; unused producer ids are lost."""


async def answer_forward(
    controller: ControllerRuntime | None, request: ForwardRequest, on_disconnect: dict[str, Callable[[], None]]
) -> ForwardResponse:
    """`on_disconnect`: what to call when its connection ends. Raises ProtocolError for what is no request."""
    if controller is None or not controller.may_decide():
        return ForwardResponse(error_code=ErrorCode.NOT_CONTROLLER)
    if request.cluster_id not in ("", controller.image.cluster_id):
        return ForwardResponse(error_code=ErrorCode.INCONSISTENT_CLUSTER_ID)
    try:
        asked, answered = _messages(request.api_key)
        inner = decode(asked, request.body, request.version)
    except KeyError:
        return ForwardResponse(error_code=ErrorCode.INVALID_REQUEST)
    if not controller.decides(type(inner)):
        return ForwardResponse(error_code=ErrorCode.INVALID_REQUEST)
    if isinstance(inner, BrokerHeartbeatRequest):
        broker_id, epoch = inner.broker_id, inner.broker_epoch
        on_disconnect["heartbeat"] = lambda: controller.connection_lost(broker_id, epoch)
    try:
        arrived = None if type(inner) in HARMLESS_WHEN_LATE else Arrived(bytes(request.stamp), request.patience_ms)
        response = await controller.ask(inner, answered, request.version, arrived)
    except ControllerUnavailable as error:
        return ForwardResponse(error_code=error.error_code, stamp=controller.stamp())
    if not controller.may_decide():
        return ForwardResponse(error_code=ErrorCode.NOT_CONTROLLER)
    asks_for_lease = isinstance(inner, BrokerHeartbeatRequest | BrokerRegistrationRequest)
    return ForwardResponse(
        body=encode(response, request.version),
        offset=controller.image.offset,
        lease_ms=controller.lease_ms(inner) if asks_for_lease else 0,
        stamp=controller.stamp(),
    )


def _messages(api_key: int) -> tuple[type[Any], type[Any]]:
    """Raises KeyError."""
    return OWN_MESSAGES.get(api_key) or (request_class(api_key), response_class(api_key))


async def answer_follow(controller: ControllerRuntime | None, request: FollowMetadataRequest) -> FollowMetadataResponse:
    if controller is None or controller.is_stopping or not controller.may_decide():
        return FollowMetadataResponse(error_code=ErrorCode.NOT_CONTROLLER)
    response = await controller.follow(request)
    if not controller.may_decide():
        return FollowMetadataResponse(error_code=ErrorCode.NOT_CONTROLLER)
    return response
