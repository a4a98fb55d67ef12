"""The active controller in another process: asked over the network, its metadata followed.

    broker.run
      RemoteController.follow    the metadata, by long poll
      RemoteController.beat      heartbeats; over a connection of their own, by whose end the controller sees ours

The broker's lease: it may act as a leader for so long as the answer to a heartbeat has said, counted from when that
heartbeat was *sent*. The controller counts a session from when it came, which is later, and longer than the term that
it tells (heartbeats.py). So a leader that is cut off stops before another can be elected. How long a session is only
the controller knows.

Where the only controller there can be is dead (its port refuses connections), nobody is elected, so a lease goes on:
the next controller gives everybody a session first. A firewall that refuses in its place looks the same, so the other
brokers are asked whether they have heard more, and believed (hearsay.py).

A controller that answers and is of another cluster has lost its directory, or is the wrong one. Leases end then, but
the broker goes on: it still knows what was lost.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio
from msgspec import Struct

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek_broker.controller.frame import unframe
from odradek_broker.controller.history import NO_EPOCH, NO_OFFSET
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.metadata.client import ControllerClient, ControllerUnavailable, JournalUnavailable
from odradek_broker.metadata.forwarding import answer_follow, answer_forward
from odradek_broker.metadata.hearsay import Hearsay
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardRequest,
    ForwardResponse,
)
from odradek_broker.metadata.peer import Peer, PeerUnreachable

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.metadata.active import ControllerRuntime
    from odradek_broker.metadata.decider import OnImage
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Address, Network

logger = logging.getLogger(__name__)

ATTEMPT_SECONDS = 5.0
FIRST_ATTEMPT_SECONDS = 0.3
"""A process that has just begun may listen, and not answer yet: do not wait for it while another could."""
BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 5.0
"""For a broker that cannot be registered, where a controller says so: its disk is full, say."""
FOLLOW_WAIT_MS = 5_000
BEATS_PER_TERM = 3
"""At least so many heartbeats, however seldom they are to be sent: only the controller knows the session."""
UNHEARD_WHEN_LEAVING = 5
PREDECESSOR_TERMS = 3
"""Of a lease. By then the controller has fenced whoever had our id before, unless that one lives."""
REGISTRATION_VERSION, HEARTBEAT_VERSION = 4, 1
WHAT_TO_DO = (
    "It is the wrong one, or has lost its data directory. Nothing is led here until the right one answers. Stop no "
    "broker meanwhile: those that run still know the metadata, and `odradek metadata restore` makes a controller's "
    "directory anew out of it"
)


R = TypeVar("R", bound=Struct)


class Asked(Protocol):
    """Who may be the active controller: a Peer, or our own process."""

    async def ask(self, request: ApiMessage, answer: type[R], version: int, timeout_s: float) -> R: ...

    def close(self) -> None: ...


class OwnController:
    """The controller in this process, while it is active."""

    def __init__(self, find: Callable[[], ControllerRuntime | None]) -> None:
        self._find = find

    async def ask(self, request: ApiMessage, answer: type[R], version: int, timeout_s: float) -> R:
        response: Struct
        await trio.lowlevel.checkpoint()  # whoever asks again and again must be asked to stop, too
        if isinstance(request, ForwardRequest):
            response = await answer_forward(self._find(), request, {})
        else:
            assert isinstance(request, FollowMetadataRequest)
            response = await answer_follow(self._find(), request)
        assert isinstance(response, answer)
        return response

    def close(self) -> None:
        pass


class NotAdmitted(Exception):
    """The controller will never let this broker in as it is."""


class RemoteController(ControllerClient):
    """Made for one broker, with the addresses where controllers may be."""

    def __init__(
        self,
        addresses: list[Address],
        network: Network,
        config: BrokerConfig,
        clock: Clock,
        on_image: OnImage,
        own: Callable[[], ControllerRuntime | None] | None = None,
    ) -> None:
        """`own`: the active controller, when it is in this process; it is asked without a connection."""
        super().__init__(config)
        client_id = f"broker-{config.node_id}"
        ours = {(each.host, each.port) for each in (*config.listeners, *(config.advertised_listeners or ()))}
        if own is not None:
            addresses = [address for address in addresses if address not in ours]
        self._peers: list[Asked] = [Peer(network, address, client_id) for address in addresses]
        self._heart: list[Asked] = [Peer(network, address, client_id) for address in addresses]
        if own is not None:
            self._peers.insert(0, OwnController(own))
            self._heart.insert(0, OwnController(own))
        self._active = 0
        self._clock = clock
        self._on_image = on_image
        self._image = MetadataImage()
        self._epoch = NO_EPOCH
        self.seen = (NO_OFFSET, NO_EPOCH)
        """Offset and epoch of the newest record that this broker had acted upon when it started: set it before the
        metadata is acted upon. A controller that does not know of it has lost what had been decided."""
        self._news = trio.Event()
        self._is_only_controller = False
        """Whether the controller has told us that no other process can take its place."""
        self._lease_until_ms = -1
        self._lease_news = trio.Event()
        self._hearsay = Hearsay(network, config, clock)
        self._stamp = b""
        """The newest that a controller has given us."""
        self._term_ms = 0
        """Of a lease, as the controller has told it last."""
        self._wants_to_stop = False
        self._leads_no_more = False
        self._strange = ""
        """The cluster of a controller that is another cluster's than we are, as long as it is that which answers."""
        self._unheard = 0
        """Heartbeats in a row that nobody has answered."""
        self._may_stop = trio.Event()
        self._beat_now = trio.Event()

    @property
    def image(self) -> MetadataImage:
        return self._image

    @property
    def metadata_epoch(self) -> int:
        return self._epoch

    @property
    def has_lease(self) -> bool:
        """Whether no other broker can have been made leader of what is ours."""
        return self._clock.monotonic_ms() < self._lease_until_ms

    async def watch_lease(self, on_change: Callable[[bool], None]) -> None:
        """Say each time that the lease has run out, or is there again, until cancelled."""
        while True:
            left_ms = self._lease_until_ms - self._clock.monotonic_ms()
            if left_ms > 0:
                with trio.move_on_after(left_ms / 1000):
                    await self._lease_news.wait()
            else:
                on_change(False)
                while not self.has_lease:
                    await self._lease_news.wait()
                on_change(True)

    def lead_no_more(self) -> None:
        """The lease is over for good: this broker stops."""
        self._leads_no_more = True
        self._set_lease(self._clock.monotonic_ms())

    def _extend_lease(self, sent_ms: int) -> None:
        if not self._leads_no_more:
            self._set_lease(max(self._lease_until_ms, sent_ms + self._term_ms))

    def _set_lease(self, until_ms: int) -> None:
        self._lease_until_ms = until_ms
        self._lease_news.set()
        self._lease_news = trio.Event()

    # ------------------------------------------------------------------------------------------------------- asking

    async def ask(self, request: ApiMessage, answer: type[R], version: int) -> R:
        longest_ms = self.static_config.request_timeout_ms
        patience_ms = min(longest_ms, getattr(request, "timeout_ms", 0) or longest_ms)  # of whoever has asked us
        deadline = trio.current_time() + patience_ms / 1000
        forwarded = await self._ask_active(request, version, deadline)
        with trio.move_on_at(deadline):
            while self._image.offset < forwarded.offset:
                await self._news.wait()
        return decode(answer, forwarded.body, version)

    async def _ask_active(self, request: ApiMessage, version: int, deadline: float) -> ForwardResponse:
        why = "no controller has answered"
        while (left_s := deadline - trio.current_time()) > 0:
            active, timeout_s = self._active, min(ATTEMPT_SECONDS, left_s)
            forwarded = self._forward(request, version, timeout_s)
            try:
                answer = await self._peers[active].ask(forwarded, ForwardResponse, 0, timeout_s)
            except PeerUnreachable as error:
                why = str(error)
            else:
                self._stamp = bytes(answer.stamp) or self._stamp
                if answer.error_code == ErrorCode.OPERATION_NOT_ATTEMPTED:
                    why = "nothing reaches the controller in time"
                    await trio.lowlevel.checkpoint()
                    continue
                if answer.error_code != ErrorCode.NOT_CONTROLLER:
                    if answer.error_code == JournalUnavailable.error_code:
                        raise JournalUnavailable("the controller cannot write down what it decides")
                    if answer.error_code:
                        raise ControllerUnavailable(ErrorCode.from_code(answer.error_code).sentence)
                    return answer
                why = "no controller is active"
            self._look_elsewhere(active)
            await trio.sleep(BACKOFF_SECONDS)
        raise ControllerUnavailable(why)

    def _forward(self, request: ApiMessage, version: int, timeout_s: float) -> ForwardRequest:
        assert isinstance(request, Struct)
        return ForwardRequest(
            request.API_KEY,
            version,
            encode(request, version),
            self._stamp,
            patience_ms=int(timeout_s * 1000),
            cluster_id=self._image.cluster_id,
        )

    def _look_elsewhere(self, active: int) -> None:
        if self._active == active:
            self._active = (active + 1) % len(self._peers)

    # ----------------------------------------------------------------------------------------------------- metadata

    async def first_image(self) -> MetadataImage:
        """What the cluster is like at the moment, for a broker that is not in it yet. Waits for a controller."""
        for attempt in itertools.count():
            try:
                answer = await self._poll(0, self.seen if self.seen[0] >= 0 else (self._image.offset, self._epoch))
                if answer.last_offset < self.seen[0]:
                    raise PeerUnreachable(
                        f"the controller's metadata ends at offset {answer.last_offset}, but this broker has acted "
                        f"upon offset {self.seen[0]}: the controller has lost what it had decided"
                    )
                self._take(answer, apply=False)
                return self._image
            except PeerUnreachable as error:
                if attempt % 100 == 20:
                    logger.warning("waiting for a controller: %s", error)
            await trio.sleep(BACKOFF_SECONDS)
        raise AssertionError

    async def follow(self) -> None:
        """Hand every change of the metadata to the broker, until cancelled."""
        while True:
            try:
                self._take(await self._poll(FOLLOW_WAIT_MS, (self._image.offset, self._epoch)), apply=True)
            except PeerUnreachable as error:
                logger.debug("following the metadata: %s", error)
                await trio.sleep(BACKOFF_SECONDS)

    async def _poll(self, max_wait_ms: int, seen: tuple[int, int]) -> FollowMetadataResponse:
        request = FollowMetadataRequest(
            self.static_config.node_id,
            self._image.offset + 1,
            max_wait_ms,
            cluster_id=self._image.cluster_id,
            seen_offset=seen[0],
            seen_epoch=seen[1],
        )
        active = self._active
        try:
            timeout_s = max_wait_ms / 1000 + (ATTEMPT_SECONDS if self._image.offset >= 0 else FIRST_ATTEMPT_SECONDS)
            answer = await self._peers[active].ask(request, FollowMetadataResponse, 0, timeout_s)
        except PeerUnreachable:
            self._look_elsewhere(active)
            raise
        if answer.error_code:
            self._look_elsewhere(active)
            raise PeerUnreachable(ErrorCode.from_code(answer.error_code).sentence)
        if self._image.cluster_id not in ("", answer.cluster_id):
            self._look_elsewhere(active)
            why = (
                f"the controller is of cluster {answer.cluster_id}, and this broker of cluster {self._image.cluster_id}"
            )
            if answer.cluster_id != self._strange:
                logger.error("%s. %s", why, WHAT_TO_DO)
            self._strange = answer.cluster_id
            raise PeerUnreachable(why)
        self._strange = ""
        return answer

    def _take(self, answer: FollowMetadataResponse, *, apply: bool) -> None:
        self._is_only_controller = not answer.has_rivals
        if answer.last_offset < self._image.offset or (answer.last_offset == self._image.offset and apply):
            return
        if not answer.is_snapshot and answer.last_offset - len(answer.records) != self._image.offset:
            return  # asked for before others have told us some of it
        records = [unframe(bytes(each)) for each in answer.records]
        base = MetadataImage(cluster_id=answer.cluster_id) if answer.is_snapshot else self._image
        old, self._image = self._image, replay(base, records, answer.last_offset)
        self._epoch = answer.epoch
        if apply:
            self._on_image(old, self._image)
        self._news.set()
        self._news = trio.Event()
        self._beat_now.set()

    # --------------------------------------------------------------------------------------------------- membership

    async def register(self, request: BrokerRegistrationRequest) -> int:
        """Return this broker's epoch. Waits for a controller, and for the end of a predecessor with the same id.

        Raises NotAdmitted, also where that one lives, and elsewhere.
        """
        refuse_at = None
        said, again_s = "", BACKOFF_SECONDS
        while True:
            try:
                deadline = trio.current_time() + self.static_config.request_timeout_ms / 1000
                forwarded = await self._ask_active(request, REGISTRATION_VERSION, deadline)
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
                self.broker_epoch = answer.broker_epoch
                return self.broker_epoch
            error = ErrorCode.from_code(answer.error_code)
            if error is ErrorCode.INVALID_REGISTRATION:
                raise NotAdmitted(f"node.id {request.broker_id} is the controller's: every node needs its own")
            if error is not ErrorCode.DUPLICATE_BROKER_REGISTRATION:
                raise NotAdmitted(f"the controller refuses broker {request.broker_id}: {error.name}")
            if refuse_at is None:
                where, is_here = await self._predecessor(request)
                logger.warning("broker %d is registered at %s; waiting for its end", request.broker_id, where)
                patience_s = math.inf if is_here else PREDECESSOR_TERMS * forwarded.lease_ms / 1000
                refuse_at = trio.current_time() + patience_s
            if trio.current_time() >= refuse_at:
                raise NotAdmitted(
                    f"broker {request.broker_id} runs at {where}: every broker needs a node.id of its own"
                )
            await trio.sleep(BACKOFF_SECONDS)

    async def _predecessor(self, request: BrokerRegistrationRequest) -> tuple[str, bool]:
        """Where whoever has our id is reached; and whether that is where we are, so that it is gone for sure."""
        known = (await self.first_image()).brokers.get(request.broker_id)
        theirs = [] if known is None else [(one.host, one.port) for one in known.endpoints]
        ours = [(one.host, one.port) for one in request.listeners]
        return ", ".join(f"{host}:{port}" for host, port in theirs) or "an unknown address", theirs == ours

    async def beat(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send heartbeats until cancelled; started once the controller has let the broker in.

        Raises NotAdmitted when the controller knows another broker by our id.
        """
        is_let_in = False
        interval_s = self.static_config.broker_heartbeat_interval_ms / 1000
        while True:
            self._beat_now = trio.Event()
            answer = await self._beat_once(interval_s)
            if answer is not None and not is_let_in and not answer.is_fenced:
                is_let_in = True
                task_status.started()
            if answer is not None and answer.should_shut_down:
                self._may_stop.set()
            hurries = answer is None or answer.is_fenced or self._wants_to_stop
            pause_s = min(interval_s, self._term_ms / 1000 / BEATS_PER_TERM)
            with trio.move_on_after(BACKOFF_SECONDS if hurries else pause_s):
                await self._beat_now.wait() if hurries else await trio.sleep(pause_s)

    async def _beat_once(self, interval_s: float) -> BrokerHeartbeatResponse | None:
        request = BrokerHeartbeatRequest(
            broker_id=self.static_config.node_id,
            broker_epoch=self.broker_epoch,
            current_metadata_offset=self._image.offset,
            want_shut_down=self._wants_to_stop,
        )
        sent_ms = self._clock.monotonic_ms()
        active, timeout_s = self._active, max(interval_s, 1.0)
        forwarded = self._forward(request, HEARTBEAT_VERSION, timeout_s)
        try:
            answer = await self._heart[active].ask(forwarded, ForwardResponse, 0, timeout_s)
        except PeerUnreachable as error:
            logger.debug("heartbeat: %s", error)
            self._look_elsewhere(active)
            self._unheard += 1
            self._give_up_leaving()
            is_gone = len(self._heart) == 1 and isinstance(error.__cause__, ConnectionRefusedError)
            if is_gone and self._is_only_controller and sent_ms < self._lease_until_ms:
                await self._listen_to_others()
                if self._is_let_in:
                    self._extend_lease(sent_ms)
                else:
                    self._set_lease(sent_ms)
            return None
        self._unheard = 0
        self._stamp = bytes(answer.stamp) or self._stamp
        if answer.error_code:
            self._look_elsewhere(active)
            return None
        response = decode(BrokerHeartbeatResponse, answer.body, HEARTBEAT_VERSION)
        if response.error_code and answer.offset < self._image.offset:
            return None  # it has forgotten more than us: that is told to it where we follow, and it does not go on
        if response.error_code:
            raise NotAdmitted(
                f"the controller knows another broker {request.broker_id}: "
                f"{ErrorCode.from_code(response.error_code).name}"
            )
        if response.is_fenced:
            self._set_lease(min(self._lease_until_ms, sent_ms))
        else:
            self._term_ms = answer.lease_ms
            self._extend_lease(sent_ms)
        return response

    async def _listen_to_others(self) -> None:
        told = await self._hearsay.newest(self._image)
        if told is not None:
            logger.warning("broker %d knows of decisions of the controller that refuses us", told.node_id)
            answer = FollowMetadataResponse(
                cluster_id=told.cluster_id,
                is_snapshot=True,
                last_offset=told.last_offset,
                records=told.records,
                epoch=told.epoch,
            )
            self._take(answer, apply=True)

    @property
    def _is_let_in(self) -> bool:
        """As far as we know."""
        us = self._image.brokers.get(self.static_config.node_id)
        return us is not None and us.epoch == self.broker_epoch and not us.fenced

    async def leave(self) -> None:
        """Give leadership to others, as far as there are any, before this broker stops."""
        self._wants_to_stop = True
        self._beat_now.set()
        await self._may_stop.wait()

    def _give_up_leaving(self) -> None:
        """The controller is gone too, so nobody else will lead."""
        if self._wants_to_stop and self._unheard >= UNHEARD_WHEN_LEAVING:
            self._may_stop.set()

    def close(self) -> None:
        """Nothing of it is on a disk."""

    def disconnect(self) -> None:
        """On the Trio thread: end the connections, none of which is in use any more."""
        for peer in [*self._peers, *self._heart]:
            peer.close()
