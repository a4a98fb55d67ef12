"""The processes that may be the active controller, and which of them is asked: the next one, where one is not.

What is asked of it goes by one connection, heartbeats by another: by its end the controller sees ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio
from msgspec import Struct

from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek_broker.metadata.client import ControllerUnavailable, JournalUnavailable
from odradek_broker.metadata.forwarding import answer_follow, answer_forward
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
    from odradek_broker.ports.network import Address, Network

ATTEMPT_SECONDS = 5.0
BACKOFF_SECONDS = 0.05

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


class Controllers:
    """As one broker reaches them."""

    def __init__(
        self,
        addresses: list[Address],
        network: Network,
        config: BrokerConfig,
        own: Callable[[], ControllerRuntime | None] | None = None,
    ) -> None:
        """`own`: the active controller, when it is in this process; it is asked without a connection."""
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
        self._stamp = b""
        """The newest that a controller has given us."""

    @property
    def are_several(self) -> bool:
        return len(self._heart) > 1

    def disconnect(self) -> None:
        """On the Trio thread: end the connections, none of which is in use any more."""
        for peer in [*self._peers, *self._heart]:
            peer.close()

    async def ask(self, request: ApiMessage, version: int, cluster_id: str, deadline: float) -> ForwardResponse:
        """Ask until one answers that decides. Raises ControllerUnavailable."""
        why = "no controller has answered"
        while (left_s := deadline - trio.current_time()) > 0:
            active, timeout_s = self._active, min(ATTEMPT_SECONDS, left_s)
            forwarded = self._forward(request, version, cluster_id, timeout_s)
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
                        raise ControllerUnavailable(_why_not(answer.error_code))
                    return answer
                why = "no controller is active"
            self.look_elsewhere(active)
            await trio.sleep(BACKOFF_SECONDS)
        raise ControllerUnavailable(why)

    async def follow(self, request: FollowMetadataRequest, timeout_s: float) -> tuple[int, FollowMetadataResponse]:
        """Which of them has been asked, and its answer.

        Raises PeerUnreachable, also where it does not decide; then another is asked next.
        """
        active = self._active
        try:
            answer = await self._peers[active].ask(request, FollowMetadataResponse, 0, timeout_s)
        except PeerUnreachable:
            self.look_elsewhere(active)
            raise
        if answer.error_code:
            self.look_elsewhere(active)
            raise PeerUnreachable(_why_not(answer.error_code))
        return active, answer

    async def beat(self, request: ApiMessage, version: int, cluster_id: str, timeout_s: float) -> ForwardResponse:
        """Send one heartbeat. Raises PeerUnreachable; an answer may be an error, and then another is asked next."""
        active = self._active
        forwarded = self._forward(request, version, cluster_id, timeout_s)
        try:
            answer = await self._heart[active].ask(forwarded, ForwardResponse, 0, timeout_s)
        except PeerUnreachable:
            self.look_elsewhere(active)
            raise
        self._stamp = bytes(answer.stamp) or self._stamp
        if answer.error_code:
            self.look_elsewhere(active)
        return answer

    def _forward(self, request: ApiMessage, version: int, cluster_id: str, timeout_s: float) -> ForwardRequest:
        assert isinstance(request, Struct)
        return ForwardRequest(
            request.API_KEY,
            version,
            encode(request, version),
            self._stamp,
            patience_ms=int(timeout_s * 1000),
            cluster_id=cluster_id,
        )

    def look_elsewhere(self, active: int) -> None:
        """That one is not the active controller, or is none of ours."""
        if self._active == active:
            self._active = (active + 1) % len(self._peers)


def _why_not(error_code: int) -> str:
    """For whoever reads the log."""
    error = ErrorCode.from_code(error_code)
    if error is ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
        return (
            f"{error.sentence} A broker has to come as what the one that it asks is itself, be among that one's "
            "super.users, or have ClusterAction by an ACL"
        )
    return error.sentence
