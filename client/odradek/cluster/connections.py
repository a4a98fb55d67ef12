"""The open connections of one client: made when first asked for, replaced when lost, never two for one purpose.

A broker answers a connection's requests in order, so what may wait for long on the broker (a fetch, a join) has a
connection of its own: that is what `purpose` tells apart. After a failed attempt the next one to the same place waits
a little, twice as long each time, with jitter.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Hashable, Mapping

import trio
from msgspec import Struct

from odradek.activity import Activities
from odradek.cluster.connection import Connection
from odradek.cluster.login import Account
from odradek.cluster.versions import ApiRanges
from odradek.errors import ConnectionFailed, OdradekError, RequestTimedOut
from odradek.network import Stream, Surroundings, reason_of
from odradek.protocol.headers import ApiMessage
from odradek.security import NO_SECURITY, Security

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.05
LAST_BACKOFF_S = 1.0


class ConnectionHealth(Struct, frozen=True):
    """One open connection."""

    to: str
    purpose: str
    age_s: float
    unanswered: int


class Place:
    """One thing to be connected to, and how the attempts went."""

    def __init__(self) -> None:
        self.lock = trio.Lock()
        self.connection: Connection | None = None
        self.failures = 0
        self.not_before = 0.0


class ConnectionPool:
    """Connections live in `nursery`, so they end with whoever owns it."""

    def __init__(
        self,
        nursery: trio.Nursery,
        surroundings: Surroundings,
        activities: Activities,
        *,
        client_id: str | None,
        connect_timeout_s: float,
        security: Security = NO_SECURITY,
    ) -> None:
        self._nursery = nursery
        self._surroundings = surroundings
        self._activities = activities
        self._client_id = client_id
        self._connect_timeout_s = connect_timeout_s
        self._security = security
        self._account = Account(security, surroundings.secret_bytes, connect_timeout_s)
        self._tls: ssl.SSLContext | None = None
        self._places: dict[tuple[Hashable, str], Place] = {}
        self._newest = ApiRanges.unknown()

    def existing(self, where: Hashable, purpose: str) -> Connection | None:
        """The connection, if it is open."""
        place = self._places.get((where, purpose))
        if place is None or place.connection is None or not place.connection.is_open:
            return None
        return place.connection

    async def connect(self, where: Hashable, purpose: str, host: str, port: int, name: str) -> Connection:
        """The connection for that purpose, opened if need be. Raises ConnectionFailed, RequestTimedOut."""
        place = self._places.setdefault((where, purpose), Place())
        if place.connection is not None and place.connection.is_open:
            return place.connection
        async with place.lock:
            if place.connection is not None and place.connection.is_open:
                return place.connection
            if not place.failures:
                self._activities.begin(name, "connecting")
            try:
                await trio.sleep_until(place.not_before)
                place.connection = await self._open(host, port, name)
            except OdradekError as error:
                self._note_failure(place, error)
                self._activities.begin(name, str(error))  # and it stays so until an attempt goes well
                raise
            finally:
                if not place.failures:
                    self._activities.end(name)
            place.failures = 0
            self._activities.end(name)
            return place.connection

    def close(self, where: Hashable) -> None:
        """Close the connections to that place, of whatever purpose."""
        for (place_where, _), place in self._places.items():
            if place_where == where and place.connection is not None:
                place.connection.close()

    @property
    def features(self) -> Mapping[str, int]:
        """The finalized features of the cluster, as the broker knows them that knows the newest."""
        return self._newest.features

    def offers(self, request: type[ApiMessage], at_least: int = 0) -> bool:
        """Whether that broker understands the request, in this version or a later one."""
        return self._newest.knows(request, at_least)

    def health(self) -> list[ConnectionHealth]:
        now = trio.current_time()
        return [
            ConnectionHealth(c.name, purpose, now - c.opened_at, c.unanswered_count)
            for (_, purpose), place in self._places.items()
            if (c := place.connection) is not None and c.is_open
        ]

    def _note_failure(self, place: Place, error: OdradekError) -> None:
        backoff_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2**place.failures)
        place.failures += 1
        place.not_before = trio.current_time() + backoff_s * self._surroundings.random.uniform(0.8, 1.2)
        logger.debug("%s", error)

    async def _open(self, host: str, port: int, name: str) -> Connection:
        try:
            with trio.fail_after(self._connect_timeout_s):
                stream = await self._connect(host, port)
        except (OSError, ValueError, OverflowError) as error:  # the last two: what can be no host, or no port
            raise ConnectionFailed(f"cannot connect to {name}: {reason_of(error)}") from error
        except trio.TooSlowError:
            raise RequestTimedOut(f"cannot connect to {name}: nothing within {self._connect_timeout_s:g} s") from None
        try:
            connection = Connection(stream, name, self._client_id)
            await self._nursery.start(connection.run)
        except BaseException:
            stream.close()
            raise
        try:
            await connection.negotiate(self._connect_timeout_s)
            if self._security.logs_in:
                await self._log_in(connection)
        except BaseException:
            connection.close()
            raise
        if connection.ranges.features_epoch >= self._newest.features_epoch:
            self._newest = connection.ranges
        return connection

    async def _connect(self, host: str, port: int) -> Stream:
        """Raises OSError, also where a certificate cannot be read or is not believed."""
        network = self._surroundings.network
        if not self._security.over_tls:
            return await network.connect(host, port)
        if self._tls is None:
            self._tls = await trio.to_thread.run_sync(self._security.tls)
        return await network.connect(host, port, self._tls)

    async def _log_in(self, connection: Connection) -> None:
        """And again before each session ends. Raises AuthenticationFailed, ConnectionFailed, RequestTimedOut."""
        session_s = await self._account.log_in(connection)
        if session_s:
            self._nursery.start_soon(self._account.stay_logged_in, connection, session_s)
