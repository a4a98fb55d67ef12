"""Hosts that have gone without a word: others lead as soon as the leases of their brokers are over.

A broker that is not heard of may be slow, hang, or be gone with its host. A host that lives says so by itself: its
kernel takes or refuses a connection, whatever its processes do. So a broker that is quiet for half a span is probed,
and one whose host does not answer is fenced when the span is over; one that hangs on a host that lives has its session.

Invariants
    Nobody is fenced here whose lease may last (heartbeats.py). That alone is what safety rests on: a false alarm costs
    an election, and no record.
    Nobody is fenced while nobody else has been heard of since its probe began: it may be us who are cut off.
    Nobody is fenced for a time in which this process has stood still: what has been sent meanwhile is still to be read.
    What prevents a probe here (no descriptor, no route, no such name) is no sign of anything.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.heartbeats import Heartbeats
    from odradek_broker.controller.image import BrokerImage, MetadataImage
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Address, Network

LEAST_PAUSE_MS, LONGEST_PAUSE_MS = 50, 1_000
"""Between looks."""
STOOD_STILL_MS = 250
"""A sleep that lasts so much longer than it should."""
PATIENCE_MS = 400
"""How long a host may take to answer one of the tries; less where the span is short."""
PART_OF_SPAN = 0.4
TRIES = 3
"""Packets get lost: the kernel itself sends the second one of a connection only after a second."""
NOBODY_THERE = (errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT, errno.ECONNREFUSED)


class HostWatch:
    """Of one active controller."""

    def __init__(
        self,
        heartbeats: Heartbeats,
        config: BrokerConfig,
        clock: Clock,
        network: Network,
        image: Callable[[], MetadataImage],
        fence: Callable[[BrokerImage], Awaitable[None]],
    ) -> None:
        """`fence` does nothing, unless that broker is over in that moment still."""
        self._heartbeats = heartbeats
        self._config = config
        self._clock = clock
        self._network = network
        self._image = image
        self._fence = fence
        self._under_watch: set[int] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._sleep(min(max(self._quiet_next_ms() - self._now_ms, LEAST_PAUSE_MS), LONGEST_PAUSE_MS))
                for broker in self._unfenced():
                    if self._is_quiet(broker):
                        self._under_watch.add(broker.broker_id)
                        nursery.start_soon(self._look_into, broker)

    async def _look_into(self, broker: BrokerImage) -> None:
        try:
            while self._is_quiet(broker):
                began_ms = self._now_ms
                if await self._is_gone(broker) and self._is_quiet(broker):  # still: others may have fenced it meanwhile
                    await self._sleep(self._heartbeats.over_from_ms(broker.broker_id, broker.epoch) - self._now_ms)
                    if self._others_were_heard(broker, began_ms):
                        await self._fence(broker)
                await self._sleep(LEAST_PAUSE_MS)
        finally:
            self._under_watch.discard(broker.broker_id)

    @property
    def _now_ms(self) -> int:
        return self._clock.monotonic_ms()

    def _unfenced(self) -> list[BrokerImage]:
        """Those that are not looked into already."""
        ours = self._config.node_id
        brokers = [each for each in self._image().brokers.values() if not each.fenced and each.broker_id != ours]
        return [each for each in brokers if each.broker_id not in self._under_watch]

    def _quiet_next_ms(self) -> float:
        known = [self._heartbeats.quiet_from_ms(each.broker_id, each.epoch) for each in self._unfenced()]
        return min(known, default=float("inf"))

    def _is_quiet(self, broker: BrokerImage) -> bool:
        known = self._image().brokers.get(broker.broker_id)
        return (
            known is not None
            and known.epoch == broker.epoch
            and not known.fenced
            and self._heartbeats.quiet_from_ms(broker.broker_id, broker.epoch) <= self._now_ms
        )

    def _others_were_heard(self, broker: BrokerImage, since_ms: int) -> bool:
        ours = self._config.node_id
        others = [each for each in self._image().brokers.values() if each.broker_id not in (broker.broker_id, ours)]
        return any(self._heartbeats.was_heard(each.broker_id, each.epoch, since_ms) for each in others)

    async def _sleep(self, pause_ms: float) -> None:
        began_ms = self._now_ms
        await trio.sleep(max(pause_ms, 0) / 1000)
        self._note_time_since(began_ms, pause_ms)

    def _note_time_since(self, began_ms: int, planned_ms: float) -> bool:
        """Whether it is as it should be: else this process has stood still."""
        if (now_ms := self._now_ms) - began_ms > max(planned_ms, 0) + STOOD_STILL_MS:
            self._heartbeats.stood_still(now_ms)
            return False
        return True

    # ---------------------------------------------------------------------------------------------------- probing

    async def _is_gone(self, broker: BrokerImage) -> bool:
        """Whether its host has answered none of several tries, or its port is closed."""
        address = broker.address(self._config.inter_broker_listener)
        if address is None:
            return False
        patience_ms = min(PATIENCE_MS, PART_OF_SPAN * self._heartbeats.span_ms)
        lives = trio.Event()
        began_ms = self._now_ms
        with trio.move_on_after(patience_ms / 1000):
            async with trio.open_nursery() as nursery:
                for _ in range(TRIES):
                    nursery.start_soon(self._try, address, lives)
                    with trio.move_on_after(patience_ms / 1000 / TRIES):
                        await lives.wait()
                        nursery.cancel_scope.cancel()
        return self._note_time_since(began_ms, patience_ms) and not lives.is_set()

    async def _try(self, address: Address, lives: trio.Event) -> None:
        try:
            await self._network.touch(*address)
        except OSError as error:
            if error.errno in NOBODY_THERE:
                return
        lives.set()
