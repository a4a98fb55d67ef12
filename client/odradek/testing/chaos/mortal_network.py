"""A network that ends for one client, so that brokers hear no more of it: as of a process that is killed."""

from __future__ import annotations

import ssl
from weakref import WeakSet

from odradek.network import Network, Stream, TcpNetwork


class MortalNetwork:
    """The operating system's network, until it is over."""

    def __init__(self, network: Network | None = None) -> None:
        self._network = TcpNetwork() if network is None else network
        self._streams = WeakSet[Stream]()
        self.is_over = False

    async def connect(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Stream:
        """Raises OSError, from its end on always."""
        if not self.is_over:
            stream = await self._network.connect(host, port, tls)
            self._streams.add(stream)
            if not self.is_over:
                return stream
            stream.close()
        raise ConnectionRefusedError("this client is taken for dead")

    def end(self) -> None:
        self.is_over = True
        for stream in list(self._streams):
            stream.close()
