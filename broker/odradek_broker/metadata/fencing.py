"""Which brokers are fenced, so that others lead: those that are silent for a session, and those that are surely gone.

    a look         several times in a session: who has not been heard of for so long
    a probe        of a broker whose connection has ended: a dead one is fenced at once
    a host         that answers nobody any more: fenced as soon as its lease is over (host_watch.py)
    a successor    who registers from the same directory has outlived whoever was registered before

Where this process stops nobody is fenced any more: its own port is closed, which tells brokers that leases go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import trio

from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, Listener
from odradek_broker.controller.heartbeats import Heartbeats
from odradek_broker.controller.image import BrokerImage, Endpoint, MetadataImage
from odradek_broker.controller.membership import fence_broker
from odradek_broker.controller.result import ControllerResult
from odradek_broker.metadata.client import JournalUnavailable
from odradek_broker.metadata.host_watch import HostWatch

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.metadata.decider import Decider
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Network

logger = logging.getLogger(__name__)

StillSo: TypeAlias = Callable[[int, int, int], bool]
"""Of a broker's id, its epoch, and the time."""

LOOKS_PER_SESSION = 20
PROBE_SECONDS = (0.0, 0.01, 0.03, 0.1, 0.3)
"""When a broker whose connection has ended is tried: a process that is being killed closes its sockets one by one."""
PROBE_TIMEOUT_SECONDS = 1.0


class Fencing:
    """Of one active controller."""

    def __init__(self, decider: Decider, config: BrokerConfig, clock: Clock, network: Network | None) -> None:
        """Without a network there are no other brokers."""
        self.heartbeats = Heartbeats(config.broker_session_timeout_ms, config.broker_lease_ms)
        self._decider = decider
        self._config = config
        self._clock = clock
        self._network = network
        self._lost: list[BrokerImage] = []
        self._loss = trio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._network is not None:
                nursery.start_soon(self._probe_the_lost)
                watch = HostWatch(
                    self.heartbeats, self._config, self._clock, self._network, lambda: self._image, self._fence_the_gone
                )
                nursery.start_soon(watch.run)
            await self._fence_the_silent()

    def watch_everybody(self) -> None:
        """From now on each has a session in which to be heard of."""
        active = [broker for broker in self._image.brokers.values() if not broker.fenced]
        self.heartbeats.watch([(broker.broker_id, broker.epoch) for broker in active], self._clock.monotonic_ms())

    def hear(self, broker_id: int, epoch: int) -> None:
        """That life of a broker has sent something, if it is the present one."""
        broker = self._image.brokers.get(broker_id)
        if broker is not None and broker.epoch == epoch:
            self.heartbeats.heard(broker_id, epoch, self._clock.monotonic_ms())

    def connection_lost(self, broker_id: int, epoch: int) -> None:
        """The connection over which a broker sent heartbeats has ended: see whether the broker has, too."""
        broker = self._image.brokers.get(broker_id)
        if broker is not None and broker.epoch == epoch and not broker.fenced:
            self.heartbeats.lost(broker_id, epoch)
            self._lost.append(broker)
            self._loss.set()

    @property
    def _image(self) -> MetadataImage:
        return self._decider.image

    # ------------------------------------------------------------------------------------------------------- the lost

    async def _probe_the_lost(self) -> None:
        """Those whose connection has ended; and at first everybody, for some may have died while nobody looked."""
        brokers = self._image.brokers.values()
        self._lost += [each for each in brokers if not each.fenced and each.broker_id != self._config.node_id]
        async with trio.open_nursery() as nursery:
            while True:
                while self._lost:
                    nursery.start_soon(self._probe, self._lost.pop())
                self._loss = trio.Event()
                await self._loss.wait()

    async def _probe(self, broker: BrokerImage) -> None:
        for pause_s in PROBE_SECONDS:
            await trio.sleep(pause_s)
            if self._image.brokers.get(broker.broker_id) != broker:
                return
            if await self._is_refused(broker):
                await self.fence(broker.broker_id, broker.epoch, "is gone: its port refuses connections")
                return

    async def _is_refused(self, broker: BrokerImage) -> bool:
        assert self._network is not None
        address = broker.address(self._config.inter_broker_listener)
        try:
            with trio.move_on_after(PROBE_TIMEOUT_SECONDS):
                if address is not None:
                    (await self._network.connect(*address)).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False  # unreachable, which may be our own fault: its session will tell
        return False

    # ----------------------------------------------------------------------------------------------------- the silent

    async def _fence_the_silent(self) -> None:
        session_ms = self._config.broker_session_timeout_ms
        looked_ms = self._clock.monotonic_ms()
        while True:
            await trio.sleep(session_ms / 1000 / LOOKS_PER_SESSION)
            now_ms = self._clock.monotonic_ms()
            if now_ms - looked_ms > session_ms / 2:
                # It is this process that has stood still: what brokers have sent meanwhile is still to be read.
                logger.warning("the controller has stood still for %d ms; nobody is fenced for it", now_ms - looked_ms)
                self.heartbeats.restart(now_ms)
            looked_ms = now_ms
            for broker_id, epoch in self.heartbeats.silent(now_ms):
                await self.fence(broker_id, epoch, "has not been heard of for a session", self.heartbeats.is_silent)

    async def _fence_the_gone(self, broker: BrokerImage) -> None:
        why = "is gone with its host, which answers nobody"
        await self.fence(broker.broker_id, broker.epoch, why, self.heartbeats.is_over)

    # -------------------------------------------------------------------------------------------------------- fencing

    async def fence_predecessor(self, request: BrokerRegistrationRequest) -> None:
        """Its connection has ended, and another process has its directory: it is gone.

        The probe cannot see that, where the new process has opened the port by then. Where it is on another port, the
        old one has to refuse: a directory may have been copied.
        """
        broker = self._image.brokers.get(request.broker_id)
        if (
            broker is not None
            and not broker.fenced
            and broker.incarnation_id != request.incarnation_id
            and broker.log_dirs == tuple(request.log_dirs)
            and self.heartbeats.is_lost(broker.broker_id, broker.epoch)
            and (_addresses(broker.endpoints) == _addresses(request.listeners) or await self._is_refused(broker))
        ):
            await self.fence(broker.broker_id, broker.epoch, "has been started again")

    async def fence(self, broker_id: int, epoch: int, why: str, only_if: StillSo | None = None) -> None:
        """That life of it; `only_if` is asked once more now that we may decide: it may have been heard of meanwhile.

        Nobody, once this process stops: its own port is closed, which tells brokers that their leases go on.
        """

        def is_over(image: MetadataImage) -> bool:
            broker = image.brokers.get(broker_id)
            return broker is None or broker.epoch != epoch or broker.fenced

        def decide(image: MetadataImage) -> ControllerResult[bool]:
            now_ms = self._clock.monotonic_ms()
            was_heard = only_if is not None and not only_if(broker_id, epoch, now_ms)
            if self._decider.is_stopping or is_over(image) or was_heard:
                return ControllerResult([], False)
            return ControllerResult(fence_broker(image, broker_id, self._config), True)

        try:
            if await self._decider.decide(decide):
                logger.warning("broker %d %s; others lead its partitions", broker_id, why)
        except JournalUnavailable:
            return  # tried again at the next look
        if is_over(self._image):
            self.heartbeats.forget(broker_id, epoch)


def _addresses(listeners: Iterable[Endpoint | Listener]) -> set[tuple[str, int]]:
    return {(each.host, each.port) for each in listeners}
