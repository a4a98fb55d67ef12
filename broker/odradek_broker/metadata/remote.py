"""The active controller in another process, as a broker asks and follows it.

broker.run
  MetadataFollower.follow    the metadata, by long poll
  Heart.beat                 heartbeats; over a connection of their own, by whose end the controller sees ours
  Lease.watch                whether the broker may act as a leader
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio
from msgspec import Struct

from odradek.protocol.codec import decode
from odradek_broker.loop.bell import Bell
from odradek_broker.metadata.client import ControllerClient
from odradek_broker.metadata.controllers import Controllers
from odradek_broker.metadata.follow import MetadataFollower
from odradek_broker.metadata.hearsay import Hearsay
from odradek_broker.metadata.heartbeat import Heart
from odradek_broker.metadata.lease import Lease
from odradek_broker.metadata.registration import register

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage
    from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.metadata.active import ControllerRuntime
    from odradek_broker.metadata.decider import OnImage
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Address, Network

R = TypeVar("R", bound=Struct)


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
        beat_now = Bell()
        self.controllers = Controllers(addresses, network, config, own)
        self.lease = Lease(clock)

        def take_up(old: MetadataImage, new: MetadataImage) -> None:
            on_image(old, new)
            self.lease.took_up(new.offset)

        self.follower = MetadataFollower(self.controllers, config.node_id, take_up, beat_now)
        hearsay = Hearsay(network, config, clock)
        self._heart = Heart(self.controllers, self.follower, self.lease, hearsay, config, clock, beat_now)
        self._clock = clock

    @property
    def image(self) -> MetadataImage:
        return self.follower.image

    @property
    def metadata_epoch(self) -> int:
        return self.follower.epoch

    @property
    def has_lease(self) -> bool:
        """Whether no other broker can have been made leader of what is ours."""
        return self._clock.monotonic_ms() < self.lease.until_ms  # asked for each partition of each request

    async def ask(self, request: ApiMessage, answer: type[R], version: int) -> R:
        longest_ms = self.static_config.request_timeout_ms
        patience_ms = min(longest_ms, getattr(request, "timeout_ms", 0) or longest_ms)  # of whoever has asked us
        deadline = trio.current_time() + patience_ms / 1000
        forwarded = await self.controllers.ask(request, version, self.image.cluster_id, deadline)
        with trio.move_on_at(deadline):
            await self.follower.wait_for(forwarded.offset)
        return decode(answer, forwarded.body, version)

    async def register(self, request: BrokerRegistrationRequest) -> int:
        """Return this broker's epoch. Raises NotAdmitted."""
        patience_ms = self.static_config.request_timeout_ms
        self.broker_epoch = await register(request, self.controllers, self.follower, patience_ms)
        return self.broker_epoch

    async def beat(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send heartbeats until cancelled; started once the controller has let the broker in. Raises NotAdmitted."""
        await self._heart.beat(self.broker_epoch, task_status)

    async def leave(self) -> None:
        await self._heart.leave()

    def lead_no_more(self) -> None:
        self.lease.end_for_good()

    def close(self) -> None:
        """Nothing of it is on a disk."""

    def disconnect(self) -> None:
        """On the Trio thread: end the connections, none of which is in use any more."""
        self.controllers.disconnect()
