"""The nursery tree of a broker process: who runs, and who ends with whom.

    Server.run
      Broker.run            data directory, controller, coordinators, housekeeping, flushes
      one task a listener   accepts connections
      one task a connection see connection.py
      _tick                 once a second: idle and stalled connections

`stop` closes the listeners, lets every connection answer what it has been asked, and cancels what is left after
DRAIN_SECONDS; then the broker writes down what a clean start needs. Cancellation alone leaves out the first part.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING

import trio

from odradek_broker.controller.image import Endpoint
from odradek_broker.server.connection import Connection
from odradek_broker.server.dispatcher import Dispatcher
from odradek_broker.server.memory import MemoryBudget

if TYPE_CHECKING:
    from odradek_broker.config.listener import Listener as ListenerConfig
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Address, Listener, Network, Stream
    from odradek_broker.runtime.broker import Broker

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
OVERLOADED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
REST_WHEN_OVERLOADED_SECONDS = 0.1
DRAIN_SECONDS = 5.0
HAND_OVER_SECONDS = 5.0
UNLIMITED_BYTES = 1 << 62
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Server:
    """Listens for a broker."""

    def __init__(self, broker: Broker, network: Network, clock: Clock) -> None:
        self._broker = broker
        self._network = network
        self._clock = clock
        budget = broker.config.queued_max_request_bytes
        self._memory = MemoryBudget(budget if budget > 0 else UNLIMITED_BYTES)
        self._dispatcher = Dispatcher(broker)
        self._connections: set[Connection] = set()
        self._per_address: Counter[str] = Counter()
        self._departed = trio.lowlevel.ParkingLot()
        self._listeners: list[Listener] = []
        self.is_stopping = False
        self._scope = trio.CancelScope()
        self.addresses: list[Address] = []

    async def run(self, task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped or cancelled. Raises OSError where a listener or the data directory cannot be opened."""
        try:
            for config in self._broker.config.listeners:
                self._listeners.append(await self._listen(config))
            with self._scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self._broker.run, self._endpoints(self._listeners))
                    nursery.start_soon(self._network.run)
                    for listener in self._listeners:
                        nursery.start_soon(self._accept, listener, nursery)
                    nursery.start_soon(self._tick)
                    self.addresses = [listener.address for listener in self._listeners]
                    task_status.started(self.addresses)
        finally:
            self._close_listeners()

    @property
    def is_ready(self) -> bool:
        """Whether clients would succeed, or have."""
        return bool(self.addresses)

    async def stop(self) -> None:
        """Make `run` return: others lead, nobody is let in any more, and requests at work are answered."""
        self.is_stopping = True
        with trio.move_on_after(HAND_OVER_SECONDS):
            await self._broker.hand_over()
        self._close_listeners()
        self._broker.end_waits()
        for connection in self._connections:
            connection.drain()
        with trio.move_on_after(DRAIN_SECONDS):
            while self._connections:
                await self._departed.park()
        self._scope.cancel()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    async def _listen(self, config: ListenerConfig) -> Listener:
        if config.host not in LOOPBACK:
            logger.warning("listening on %s without TLS or login: whoever reaches it can read and write", config)
        return await self._network.listen(config.host, config.port)

    def _endpoints(self, listeners: list[Listener]) -> tuple[Endpoint, ...]:
        """Where others reach this process, as it says of itself: as advertised, else as it listens."""
        config = self._broker.config
        found = []
        for each, listener in zip(config.listeners, listeners, strict=True):
            advertised = config.advertised(each.name)
            if advertised is not None:
                found.append(Endpoint(each.name, advertised.host, advertised.port))
            else:
                host = socket.gethostname() if each.is_any_address else each.host
                found.append(Endpoint(each.name, host, listener.address[1]))
        return tuple(found)

    async def _accept(self, listener: Listener, nursery: trio.Nursery) -> None:
        while True:
            try:
                stream = await listener.accept()
            except (OSError, trio.ClosedResourceError) as error:
                if self.is_stopping:
                    return
                if not isinstance(error, OSError) or error.errno not in OVERLOADED:
                    raise
                logger.error("cannot accept connections: %s", error.strerror)
                await trio.sleep(REST_WHEN_OVERLOADED_SECONDS)
                continue
            if self._may_enter(stream):
                nursery.start_soon(self._serve, self._admit(stream), stream.peer[0])
            else:
                stream.close()
            await trio.lowlevel.checkpoint()  # however many are at the door, those inside are served

    def _may_enter(self, stream: Stream) -> bool:
        config = self._broker.config
        if len(self._connections) >= config.max_connections:
            logger.warning("refusing %s:%d: %d connections are open", *stream.peer, len(self._connections))
            return False
        if self._per_address[stream.peer[0]] >= config.max_connections_per_ip:
            logger.warning("refusing %s:%d: its address has too many connections", *stream.peer)
            return False
        return True

    def _admit(self, stream: Stream) -> Connection:
        """Counted from now on, not from when its task begins: many may be accepted before that."""
        max_frame_bytes = self._broker.config.socket_request_max_bytes
        connection = Connection(
            stream, self._dispatcher, self._memory.share(stream.peer[0]), self._clock, max_frame_bytes
        )
        self._connections.add(connection)
        self._per_address[stream.peer[0]] += 1
        return connection

    async def _serve(self, connection: Connection, host: str) -> None:
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self._departed.unpark_all()
            self._per_address[host] -= 1
            if not self._per_address[host]:
                del self._per_address[host]

    async def _tick(self) -> None:
        while True:
            await trio.sleep(TICK_SECONDS)
            now_ms = self._clock.monotonic_ms()
            for connection in list(self._connections):
                connection.tick(now_ms, self._broker.config.connections_max_idle_ms)
