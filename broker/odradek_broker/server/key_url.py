"""The keys of an identity provider, fetched by https beside the loop.

Invariants
    Only the URL of the settings is asked, which has to be among sasl.oauthbearer.allowed.urls: no redirect is followed,
    no proxy taken, and nothing that a token says is ever an address.
    An answer has ATTEMPT_SECONDS and LARGEST_BYTES. What cannot be used is said once, and the keys from before stay.
    At most one thread is at it, which is given up when its time is over.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from odradek_broker.loop.alarm import Alarm
from odradek_broker.loop.troubles import Troubles
from odradek_broker.security.key_refresh import KeyRefresh
from odradek_broker.server.key_file import LARGEST_BYTES

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.security.tokens import Key

logger = logging.getLogger(__name__)

ATTEMPT_SECONDS = 10.0
PIECE_BYTES = 64 * 1024


class KeyUrl:
    """Of one listener. Until the first answer there are no keys, and nobody is believed: who shows a token waits for
    what becomes of the first attempt, as clients take a refusal for final, and all of them come at once after a start.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self._url = config.sasl_oauthbearer_jwks_endpoint_url or ""
        self._authorities = config.sasl_oauthbearer_jwks_endpoint_ca_location
        self._keys: Mapping[str, Key] = {}
        self._refresh = KeyRefresh(
            config.sasl_oauthbearer_jwks_endpoint_refresh_ms,
            config.sasl_oauthbearer_jwks_endpoint_retry_backoff_ms,
            config.sasl_oauthbearer_jwks_endpoint_retry_backoff_max_ms,
        )
        self._alarm = Alarm(_now_ms)
        self._thread = trio.CapacityLimiter(1)
        self.has_asked = trio.Event()
        """Once the provider has answered, or has failed to."""
        self._troubles = Troubles(logger)

    async def ready(self) -> None:
        """Return once the provider has answered, or has failed to."""
        await self.has_asked.wait()

    def get(self, key_id: str) -> Key | None:
        """Where there is none of that name, the provider is asked soon: it may have a new one."""
        found = self._keys.get(key_id)
        if found is None:
            self._refresh.missed(_now_ms())
            self._alarm.set(self._refresh.due_ms)
        return found

    async def run(self) -> None:
        """Fetch them, for ever."""
        while True:
            while (due_ms := self._refresh.due_ms) > _now_ms():
                await self._alarm.sleep_until(due_ms)
            await self._fetch()

    async def _fetch(self) -> None:
        fetching = _Fetching(self._url, self._authorities)
        try:
            with trio.fail_after(ATTEMPT_SECONDS):
                self._keys = await trio.to_thread.run_sync(fetching.keys, abandon_on_cancel=True, limiter=self._thread)
        except (OSError, ValueError, http.client.HTTPException, trio.TooSlowError) as error:
            self._refresh.failed(_now_ms())
            why = str(error) or type(error).__name__
            self._troubles.tell(self._url, f"{self._url}: the keys from before are kept: {why}")
        else:
            self._refresh.fetched(_now_ms())
            self._troubles.over(self._url)
        finally:
            fetching.give_up()
            self.has_asked.set()


class _Fetching:
    """One attempt, in a thread of its own."""

    def __init__(self, url: str, authorities: str | None) -> None:
        self._parts = urlsplit(url)
        self._authorities = authorities
        self._socket: socket.socket | None = None
        self._ends = time.monotonic() + ATTEMPT_SECONDS

    def keys(self) -> Mapping[str, Key]:
        """Raises OSError, ValueError, HTTPException."""
        from odradek_broker.security.tokens import read_keys

        context = ssl.create_default_context(cafile=self._authorities)
        host, port = self._parts.hostname or "", self._parts.port
        connection = http.client.HTTPSConnection(host, port, timeout=ATTEMPT_SECONDS, context=context)
        with contextlib.closing(connection):
            connection.connect()
            self._socket = connection.sock
            return read_keys(self._ask(connection))

    def give_up(self) -> None:
        """On the loop: whoever still waits for the other side does so no more."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _ask(self, connection: http.client.HTTPSConnection) -> bytes:
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "odradek"})
        with connection.getresponse() as response:
            if response.status != http.HTTPStatus.OK:
                raise ValueError(f"it answers {response.status}")
            return self._body(response)

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        body = bytearray()
        while piece := response.read1(PIECE_BYTES):
            body += piece
            if len(body) > LARGEST_BYTES:
                raise ValueError(f"its answer is larger than {LARGEST_BYTES} bytes")
            if time.monotonic() > self._ends:
                raise ValueError("its answer takes too long")
        return bytes(body)


def _now_ms() -> int:
    return int(trio.current_time() * 1000)
