"""Which topics the members of a group of consumers have subscribed to: the one thing the coordinator reads in what
they otherwise say to each other alone."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from odradek.protocol.codec import decode_prefix
from odradek.protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from odradek.protocol.primitives import ProtocolError

CONSUMER_PROTOCOL_TYPE = "consumer"

_version = struct.Struct(">h")


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """Every topic that one of the members names; None where one of them cannot be understood."""
    topics: set[str] = set()
    for subscription in subscriptions:
        try:
            topics.update(_topics(subscription))
        except ProtocolError:
            return None
    return frozenset(topics)


def _topics(subscription: bytes) -> Iterable[str]:
    """Read as version 0, of which every later version is a continuation: some clients write no more under any label."""
    if len(subscription) < _version.size:
        raise ProtocolError("a subscription without a version")
    if _version.unpack_from(subscription)[0] < 0:
        raise ProtocolError("a subscription of a negative version")
    return decode_prefix(ConsumerProtocolSubscription, subscription, 0, _version.size)[0].topics
