"""Other brokers of the cluster, asked by their ids, wherever the metadata says that they are reached now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek_broker.metadata.peer import Peer

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.ports.network import Address


class BrokerPeers:
    """Connections for one purpose."""

    def __init__(self, context: NodeContext, purpose: str) -> None:
        self._context = context
        self._client_id = f"{purpose}-{context.node_id}"
        self._peers: dict[Address, Peer] = {}

    def get(self, broker_id: int) -> Peer | None:
        """None where there is no such broker."""
        image = self._context.image.brokers.get(broker_id)
        address = None if image is None else image.address(self._context.config.inter_broker_listener)
        if address is None:
            return None
        if address not in self._peers:
            self._peers[address] = Peer(self._context.network, address, self._client_id)
        return self._peers[address]

    def close(self) -> None:
        """End the connections that are idle."""
        for peer in self._peers.values():
            peer.close()
