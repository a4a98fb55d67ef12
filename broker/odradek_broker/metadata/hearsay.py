"""What the other brokers know of the metadata, for one that its only controller refuses.

The controller may be dead, and then the others know as much as we do. Or it lives, behind a firewall that refuses us in
its place, and has long made another the leader: whoever it talks to knows that, and what it has told is durable.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek_broker.metadata.messages import TellMetadataRequest, TellMetadataResponse
from odradek_broker.metadata.peer import Peer, PeerUnreachable

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Network

ASK_MS = 1_000
PATIENCE_SECONDS = 0.5


class Hearsay:
    """One for a broker."""

    def __init__(self, network: Network, config: BrokerConfig, clock: Clock) -> None:
        self._network = network
        self._config = config
        self._clock = clock
        self._asked_ms = -ASK_MS

    async def newest(self, image: MetadataImage) -> TellMetadataResponse | None:
        """What is known beyond that image; None where nobody knows more, or has been asked a moment ago."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._asked_ms < ASK_MS:
            return None
        self._asked_ms = now_ms
        answers: list[TellMetadataResponse] = []
        with trio.move_on_after(PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                for broker in image.brokers.values():
                    address = broker.address(self._config.inter_broker_listener)
                    if broker.broker_id != self._config.node_id and not broker.fenced and address is not None:
                        peer = Peer(self._network, address, f"broker-{self._config.node_id}")
                        nursery.start_soon(partial(self._ask, peer, image, answers))
        return max(answers, key=lambda answer: answer.last_offset, default=None)

    async def _ask(self, peer: Peer, image: MetadataImage, answers: list[TellMetadataResponse]) -> None:
        try:
            answer = await peer.ask(TellMetadataRequest(image.offset), TellMetadataResponse, 0, PATIENCE_SECONDS)
        except PeerUnreachable:
            return
        finally:
            peer.close()
        if answer.cluster_id == image.cluster_id and answer.last_offset > image.offset:
            answers.append(answer)
