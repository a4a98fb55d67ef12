"""What a client is told about where brokers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek_broker.controller.image import NO_LEADER

if TYPE_CHECKING:
    from odradek_broker.apis import RequestContext
    from odradek_broker.controller.image import BrokerImage, PartitionImage
    from odradek_broker.ports.network import Address

MAPPED_IPV4 = "::ffff:"


def address_of(broker_id: int, context: RequestContext) -> Address | None:
    """Where the client that asks should reach a broker: by the listener of the same name as the one it has come by.

    For this broker that is what advertised.listeners says, and where it says nothing, the address that the client has
    used. None where the broker has no such listener.
    """
    name = context.caller.listener
    if broker_id == context.broker.node_id:
        advertised = context.broker.config.advertised(name)
        if advertised is not None:
            return advertised.host, advertised.port
        host, port = context.caller.local
        return host.removeprefix(MAPPED_IPV4), port
    broker = context.broker.image.brokers.get(broker_id)
    endpoint = None if broker is None else broker.endpoint(name)
    return None if endpoint is None else (endpoint.host, endpoint.port)


def reachable_brokers(context: RequestContext, *, fenced_too: bool = False) -> list[tuple[BrokerImage, Address]]:
    """The brokers that a client can be told of, in the order of their ids.

    One that has lost touch with the controller leaves itself out: what it knows grows old, and a client that knows of
    no other broker would ask it for ever (librdkafka connects only to brokers that it has a use for).
    """
    found = []
    for broker_id, broker in sorted(context.broker.image.brokers.items()):
        address = address_of(broker_id, context)
        is_there = fenced_too or not broker.fenced or context.broker.reachability.is_remembered(broker_id)
        if address is not None and is_there:
            found.append((broker, address))
    others = [each for each in found if each[0].broker_id != context.broker.node_id]
    return found if context.broker.controller.has_lease else others or found


def leader_of(partition: PartitionImage, context: RequestContext) -> tuple[ErrorCode, int]:
    """Whom the client is to ask about a partition; -1, and why, where there is nobody."""
    broker = context.broker
    leader = broker.image.brokers.get(partition.leader)
    if leader is None or leader.fenced or broker.reachability.is_suspect(partition.leader):
        return ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER
    if partition.leader == broker.node_id and not broker.controller.has_lease:
        return ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER  # others may have elected another by now: let them tell
    if address_of(partition.leader, context) is None:
        return ErrorCode.LISTENER_NOT_FOUND, NO_LEADER
    return ErrorCode.NONE, partition.leader


def offline_replicas(partition: PartitionImage, context: RequestContext) -> list[int]:
    """Those on brokers that are not there."""
    brokers = context.broker.image.brokers
    return [replica for replica in partition.replicas if replica not in brokers or brokers[replica].fenced]
