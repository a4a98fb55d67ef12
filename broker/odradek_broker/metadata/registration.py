"""How a broker is registered: it waits for a controller, and for the end of a predecessor with the same id."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.metadata.controllers import BACKOFF_SECONDS

if TYPE_CHECKING:
    from odradek_broker.metadata.controllers import Controllers
    from odradek_broker.metadata.follow import MetadataFollower

logger = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS = 5.0
"""For a broker that cannot be registered, where a controller says so: its disk is full, say."""
PREDECESSOR_TERMS = 3
"""Of a lease. By then the controller has fenced whoever had our id before, unless that one lives."""
REGISTRATION_VERSION = 4


class NotAdmitted(Exception):
    """The controller will never let this broker in as it is."""


async def register(
    request: BrokerRegistrationRequest, controllers: Controllers, follower: MetadataFollower, patience_ms: int
) -> int:
    """Return this broker's epoch. Raises NotAdmitted, also where a predecessor lives, and elsewhere.

    `patience_ms`: for one answer.
    """
    refuse_at = None
    said, again_s = "", BACKOFF_SECONDS
    while True:
        try:
            deadline = trio.current_time() + patience_ms / 1000
            forwarded = await controllers.ask(request, REGISTRATION_VERSION, follower.image.cluster_id, deadline)
        except ControllerUnavailable as unavailable:
            if str(unavailable) != said or again_s == LONGEST_BACKOFF_SECONDS:
                logger.warning("cannot register: %s", unavailable)
            said = str(unavailable)
            await trio.sleep(again_s)
            again_s = min(2 * again_s, LONGEST_BACKOFF_SECONDS)
            continue
        again_s = BACKOFF_SECONDS
        answer = decode(BrokerRegistrationResponse, forwarded.body, REGISTRATION_VERSION)
        if not answer.error_code:
            return answer.broker_epoch
        error = ErrorCode.from_code(answer.error_code)
        if error is ErrorCode.INVALID_REGISTRATION:
            raise NotAdmitted(f"node.id {request.broker_id} is the controller's: every node needs its own")
        if error is not ErrorCode.DUPLICATE_BROKER_REGISTRATION:
            raise NotAdmitted(f"the controller refuses broker {request.broker_id}: {error.name}")
        if refuse_at is None:
            where, is_here = await _predecessor(request, follower)
            logger.warning("broker %d is registered at %s; waiting for its end", request.broker_id, where)
            patience_s = math.inf if is_here else PREDECESSOR_TERMS * forwarded.lease_ms / 1000
            refuse_at = trio.current_time() + patience_s
        if trio.current_time() >= refuse_at:
            raise NotAdmitted(f"broker {request.broker_id} runs at {where}: every broker needs a node.id of its own")
        await trio.sleep(BACKOFF_SECONDS)


async def _predecessor(request: BrokerRegistrationRequest, follower: MetadataFollower) -> tuple[str, bool]:
    """Where whoever has our id is reached; and whether that is where we are, so that it is gone for sure."""
    known = (await follower.first_image()).brokers.get(request.broker_id)
    theirs = [] if known is None else [(one.host, one.port) for one in known.endpoints]
    ours = [(one.host, one.port) for one in request.listeners]
    return ", ".join(f"{host}:{port}" for host, port in theirs) or "an unknown address", theirs == ours
