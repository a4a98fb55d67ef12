"""The nursery tree of a broker process: who runs, and who ends with whom.

    Server.run
      Node.run              data directory, controller, coordinators, housekeeping, flushes
      one task a listener   accepts connections
      one task a connection see connection.py
      _tick                 once a second: idle and stalled connections
      _keep_limits          once a second: whether single addresses have other limits

`stop` closes the listeners, lets every connection answer what it has been asked, and cancels what is left after
DRAIN_SECONDS; then the broker writes down what a clean start needs. Cancellation alone leaves out the first part.
"""

from __future__ import annotations

import errno
import logging
import socket
from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek_broker.config.listener import PLAINTEXT, PROTOCOLS
from odradek_broker.controller.image import Endpoint
from odradek_broker.ports.descriptors import Descriptors
from odradek_broker.server.connection import Connection
from odradek_broker.server.dispatcher import Dispatcher
from odradek_broker.server.door import Door
from odradek_broker.server.endings import Ending, Endings
from odradek_broker.server.entrance import Entrance
from odradek_broker.server.known_hosts import limits_by_address
from odradek_broker.server.memory import MemoryBudget

if TYPE_CHECKING:
    from odradek_broker.config.address_limits import AddressLimits
    from odradek_broker.config.listener import Listener as ListenerConfig
    from odradek_broker.node.broker import Broker
    from odradek_broker.node.node import Node
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Address, Listener, Network, Stream
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
RENEWAL_SECONDS = 1.0
OVERLOADED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
REST_WHEN_OVERLOADED_SECONDS = 0.1
DRAIN_SECONDS = 5.0
HAND_OVER_SECONDS = 5.0
UNLIMITED_BYTES = 1 << 62
NO_LIMITS = Descriptors()


class Server:
    """Listens for a node."""

    def __init__(self, node: Node, network: Network, clock: Clock, descriptors: Descriptors = NO_LIMITS) -> None:
        self._node = node
        self._context = node.context
        self._descriptors = descriptors
        self._network = network
        self._clock = clock
        budget = node.context.config.queued_max_request_bytes
        self._memory = MemoryBudget(budget if budget > 0 else UNLIMITED_BYTES)
        self._connections: set[Connection] = set()
        self._door: Door[Connection] = Door()
        self._limits: AddressLimits | None = None
        """The settings that the door's limits come from."""
        self._endings = Endings()
        self._departed = trio.lowlevel.ParkingLot()
        self._listeners: list[Listener] = []
        self._entrances: list[Entrance] = []
        self.is_stopping = False
        self._scope = trio.CancelScope()
        self.addresses: list[Address] = []

    async def run(self, task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped or cancelled. Raises OSError where a listener or the data directory cannot be opened."""
        try:
            for config in self._context.config.listeners:
                entrance = Entrance(config.name, self._context.config.at(config.name))
                self._entrances.append(entrance)
                self._listeners.append(await self._listen(config, entrance))
            with self._scope:
                async with trio.open_nursery() as nursery:
                    broker: Broker = await nursery.start(self._node.run, self._endpoints(self._listeners))
                    dispatcher = Dispatcher(broker)
                    nursery.start_soon(self._network.run)
                    await self._find_limits()
                    for listener, entrance in zip(self._listeners, self._entrances, strict=True):
                        nursery.start_soon(self._accept, listener, entrance, dispatcher, nursery)
                        nursery.start_soon(entrance.run)
                    nursery.start_soon(self._tick)
                    nursery.start_soon(self._keep_limits)
                    nursery.start_soon(self._renew_certificates, broker.workers)
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
            await self._node.hand_over()
        self._close_listeners()
        self._node.end_waits()
        for connection in self._connections:
            connection.drain()
        with trio.move_on_after(DRAIN_SECONDS):
            while self._connections:
                await self._departed.park()
        self._scope.cancel()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    async def _listen(self, config: ListenerConfig, entrance: Entrance) -> Listener:
        is_guarded = self._context.config.is_guarded(config.name)
        if not config.is_loopback and not is_guarded:
            logger.warning("listening on %s without a login: whoever reaches it can read and write", config)
        if is_guarded and not self._context.config.authorizer_class_name:
            logger.warning("who logs in at %s may do everything: authorizer.class.name is not set", config)
        if entrance.tls is None:
            return await self._network.listen(config.host, config.port)
        return await self._network.listen(config.host, config.port, entrance.tls)

    async def _renew_certificates(self, workers: Workers) -> None:
        used = [(entrance.listener, entrance.tls) for entrance in self._entrances if entrance.tls is not None]
        while used:
            await trio.sleep(RENEWAL_SECONDS)
            for listener, tls in used:
                await workers.run(partial(tls.renew, self._context.config.at(listener)))

    def _endpoints(self, listeners: list[Listener]) -> tuple[Endpoint, ...]:
        """Where others reach this process, as it says of itself: as advertised, else as it listens."""
        config = self._context.config
        found = []
        for each, listener in zip(config.listeners, listeners, strict=True):
            advertised = config.advertised(each.name)
            protocol = PROTOCOLS.index(config.protocol_of(each.name) or PLAINTEXT)
            if advertised is not None:
                found.append(Endpoint(each.name, advertised.host, advertised.port, protocol))
            else:
                host = socket.gethostname() if each.is_any_address else each.host
                found.append(Endpoint(each.name, host, listener.address[1], protocol))
        return tuple(found)

    async def _accept(
        self, listener: Listener, entrance: Entrance, dispatcher: Dispatcher, nursery: trio.Nursery
    ) -> None:
        is_open = self._is_brokers_own(entrance.listener)
        while True:
            try:
                stream = await listener.accept()
            except (OSError, trio.ClosedResourceError) as error:
                if self.is_stopping:
                    return
                if not isinstance(error, OSError) or error.errno not in OVERLOADED:
                    raise
                self._endings.tell(Ending.NOT_ACCEPTED, f"cannot accept connections: {error.strerror}", logging.ERROR)
                await trio.sleep(REST_WHEN_OVERLOADED_SECONDS)
                continue
            if is_open or self._may_enter(stream, dispatcher):
                nursery.start_soon(self._serve, self._admit(stream, dispatcher, entrance, is_counted=not is_open))
            else:
                stream.close()
            await trio.lowlevel.checkpoint()  # however many are at the door, those inside are served

    def _is_brokers_own(self, listener: str) -> bool:
        """Whether no client need come by this listener: it is open to everybody who comes, beside all limits."""
        ours = self._context.config.inter_broker_listener
        return listener == ours and any(each.name != ours for each in self._context.config.listeners)

    def _may_enter(self, stream: Stream, dispatcher: Dispatcher) -> bool:
        """Whether there is a place, or somebody else makes one.

        For a controller that is no broker its settings at start hold: who changed them could keep brokers from it.
        """
        config = self._context.config if self._context.is_broker else self._context.static_config
        most = min(config.max_connections, self._descriptors.connections or config.max_connections)
        why = self._door.refuse(stream.peer[0], config.max_connections_per_ip)
        if why is None and (image := self._context.image).quotas:
            now_ms = self._clock.monotonic_ms()
            why = dispatcher.throttling.refuse_connection(stream.peer[0], image, self._context.config, now_ms)
        if why is None and not self._door.has_place(most):
            going = self._door.whose_place(stream.peer[0]) if most else None
            if going is not None:
                self._door.leave(going.host, going)
                going.end("somebody else needs its place, and its address has the most")
                return True
            why = f"{most} connections are open"
        if why is not None:
            self._endings.tell(Ending.TURNED_AWAY, "refusing {}:{}: {}".format(*stream.peer, why), logging.WARNING)
        return why is None

    async def _find_limits(self) -> None:
        """Of addresses that have limits of their own: names become addresses when the setting has changed."""
        limits = self._context.config.max_connections_per_ip_overrides
        if limits != self._limits:
            self._limits = limits
            self._door.limits = await limits_by_address(limits)

    async def _keep_limits(self) -> None:
        """Nobody else waits for a name service."""
        while True:
            await trio.sleep(TICK_SECONDS)
            await self._find_limits()

    def _admit(self, stream: Stream, dispatcher: Dispatcher, entrance: Entrance, *, is_counted: bool) -> Connection:
        """Counted from now on, not from when its task begins: many may be accepted before that."""
        max_frame_bytes = self._context.config.socket_request_max_bytes
        connection = Connection(
            stream,
            dispatcher,
            self._memory.share(stream.peer[0]),
            self._clock,
            max_frame_bytes,
            entrance,
            self._endings,
            entrance.new_login(dispatcher.broker),
        )
        self._connections.add(connection)
        if is_counted:
            self._door.enter(connection.host, connection)
        return connection

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self._departed.unpark_all()
            self._door.leave(connection.host, connection)

    async def _tick(self) -> None:
        while True:
            await trio.sleep(TICK_SECONDS)
            self._endings.tick()
            now_ms = self._clock.monotonic_ms()
            for connection in list(self._connections):
                connection.tick(now_ms, self._context.config.connections_max_idle_ms)
