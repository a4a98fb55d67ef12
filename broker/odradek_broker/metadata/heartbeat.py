"""Heartbeats to the active controller: they keep the lease, tell how far we are, and ask to be let go.

A lease is short, so that others lead soon where a host is gone. It counts from when a heartbeat is sent, and the next
one is sent after a third of it, however long the answer took.

Where the only controller there can be is dead (its port refuses connections), nobody is elected, so a lease goes on:
the next controller gives everybody a session first. A firewall that refuses in its place looks the same, so the other
brokers are asked whether they have heard more, and believed (hearsay.py).
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek_broker.metadata.controllers import BACKOFF_SECONDS
from odradek_broker.metadata.messages import FollowMetadataResponse, ForwardResponse
from odradek_broker.metadata.peer import PeerUnreachable
from odradek_broker.metadata.registration import NotAdmitted

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.loop.bell import Bell
    from odradek_broker.metadata.controllers import Controllers
    from odradek_broker.metadata.follow import MetadataFollower
    from odradek_broker.metadata.hearsay import Hearsay
    from odradek_broker.metadata.lease import Lease
    from odradek_broker.ports.clock import Clock

logger = logging.getLogger(__name__)

BEATS_PER_TERM = 3
"""At least so many heartbeats, however seldom they are to be sent: only the controller knows the session."""
UNHEARD_WHEN_LEAVING = 5
HEARS_OF_IT_WITHIN_SECONDS = 5.0
"""A broker that the controller has let in, or it goes by older metadata: it may be all that there is."""
HEARTBEAT_VERSION = 1


class Heart:
    """Of one broker, from its registration on."""

    def __init__(
        self,
        controllers: Controllers,
        follower: MetadataFollower,
        lease: Lease,
        hearsay: Hearsay,
        config: BrokerConfig,
        clock: Clock,
        beat_now: Bell,
    ) -> None:
        self._controllers = controllers
        self._follower = follower
        self._lease = lease
        self._hearsay = hearsay
        self._node_id = config.node_id
        self._interval_s = config.broker_heartbeat_interval_ms / 1000
        self._clock = clock
        self._beat_now = beat_now
        self._broker_epoch = -1
        self._term_ms = 0
        """Of a lease, as the controller has told it last."""
        self._wants_to_stop = False
        self._may_stop = trio.Event()
        self._unheard = 0
        """Heartbeats in a row that nobody has answered."""

    async def beat(self, broker_epoch: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send heartbeats until cancelled; started once the controller has let the broker in, and it knows that itself.

        Clients come then: by metadata that takes us for dead they would be told that what we lead has no leader.
        Raises NotAdmitted when the controller knows another broker by our id.
        """
        self._broker_epoch = broker_epoch
        is_let_in, let_in_since_s = False, math.inf
        while True:
            self._beat_now.reset()
            sent_at = trio.current_time()
            answer = await self._beat_once()
            if answer is not None and not is_let_in and not answer.is_fenced:
                let_in_since_s = min(let_in_since_s, trio.current_time())
                is_let_in = self._is_let_in or trio.current_time() - let_in_since_s >= HEARS_OF_IT_WITHIN_SECONDS
                if is_let_in:
                    task_status.started()
            if answer is not None and answer.should_shut_down:
                self._may_stop.set()
            hurries = answer is None or answer.is_fenced or self._wants_to_stop or not is_let_in
            if hurries:
                with trio.move_on_after(BACKOFF_SECONDS):
                    await self._beat_now.wait()
            else:
                await trio.sleep_until(sent_at + min(self._interval_s, self._term_ms / 1000 / BEATS_PER_TERM))

    async def leave(self) -> None:
        """Give leadership to others, as far as there are any, before this broker stops."""
        self._wants_to_stop = True
        self._beat_now.set()
        await self._may_stop.wait()

    async def _beat_once(self) -> BrokerHeartbeatResponse | None:
        image = self._follower.image
        request = BrokerHeartbeatRequest(
            broker_id=self._node_id,
            broker_epoch=self._broker_epoch,
            current_metadata_offset=image.offset,
            want_shut_down=self._wants_to_stop,
        )
        sent_ms = self._clock.monotonic_ms()
        timeout_s = max(self._interval_s, 1.0)
        try:
            answer = await self._controllers.beat(request, HEARTBEAT_VERSION, image.cluster_id, timeout_s)
        except PeerUnreachable as error:
            logger.debug("heartbeat: %s", error)
            await self._nobody_has_answered(sent_ms, error)
            return None
        self._unheard = 0
        return None if answer.error_code else self._taken(answer, sent_ms)

    def _taken(self, answer: ForwardResponse, sent_ms: int) -> BrokerHeartbeatResponse | None:
        """What the controller has said; None where it has forgotten more than us."""
        response = decode(BrokerHeartbeatResponse, answer.body, HEARTBEAT_VERSION)
        if response.error_code and answer.offset < self._follower.image.offset:
            return None  # that is told to it where we follow, and it does not go on
        if response.error_code:
            raise NotAdmitted(
                f"the controller knows another broker {self._node_id}: {ErrorCode.from_code(response.error_code).name}"
            )
        if response.is_fenced:
            self._lease.end(sent_ms)
        else:
            is_over = self._term_ms > 0 and not self._lease.is_granted
            self._term_ms = answer.lease_ms
            self._lease.grant(sent_ms + self._term_ms, answer.offset)
            if is_over and not self._lease.is_held:
                self._follower.ask_again()
        return response

    async def _nobody_has_answered(self, sent_ms: int, error: PeerUnreachable) -> None:
        self._unheard += 1
        if self._wants_to_stop and self._unheard >= UNHEARD_WHEN_LEAVING:
            self._may_stop.set()  # the controller is gone too, so nobody else will lead
        is_gone = not self._controllers.are_several and isinstance(error.__cause__, ConnectionRefusedError)
        if is_gone and self._follower.is_only_controller and sent_ms < self._lease.until_ms:
            await self._listen_to_others()
            if self._is_let_in:
                self._lease.go_on(sent_ms + self._term_ms)
            else:
                self._lease.end(sent_ms)

    async def _listen_to_others(self) -> None:
        told = await self._hearsay.newest(self._follower.image)
        if told is not None:
            logger.warning("broker %d knows of decisions of the controller that refuses us", told.node_id)
            answer = FollowMetadataResponse(
                cluster_id=told.cluster_id,
                is_snapshot=True,
                last_offset=told.last_offset,
                records=told.records,
                epoch=told.epoch,
            )
            self._follower.take(answer, apply=True)

    @property
    def _is_let_in(self) -> bool:
        """As far as we know."""
        us = self._follower.image.brokers.get(self._node_id)
        return us is not None and us.epoch == self._broker_epoch and not us.fenced
