"""Connections to other brokers and to controllers, over TLS and logged in where the listener between them asks for it.

It is a Network like the one that it is made of: who connects by it gets a stream on which all this is done. A
certificate that has changed on the disk is read anew with the next connection.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.sasl.exchange import Exchange, LoginFailed
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange
from odradek_broker.config.listener import OVER_TLS, WITH_LOGIN
from odradek_broker.config.logins import jaas_line
from odradek_broker.metadata.peer import Channel

if TYPE_CHECKING:
    from random import Random

    from odradek_broker.config import BrokerConfig
    from odradek_broker.ports.network import Listener, Network, Stream, Tls
    from odradek_broker.tls.renewal import RenewedTls

logger = logging.getLogger(__name__)

NONCE_BYTES = 24
CONNECT_SECONDS = 10.0
RENEWAL_SECONDS = 2.0
PART_OF_SESSION = 0.8
"""After so much of a session its connection is used no more."""


class SecuredNetwork:
    """Of one node."""

    def __init__(self, network: Network, config: BrokerConfig, random: Random) -> None:
        """Raises StoreError."""
        listener = config.inter_broker_listener
        protocol = config.protocol_of(listener)
        self._network = network
        self._random = random
        self._tls = _tls_of(config.at(listener)) if protocol in OVER_TLS else None
        self._renewing = trio.CapacityLimiter(1)
        self._logs_in = protocol in WITH_LOGIN
        self._mechanism = config.sasl_mechanism_inter_broker_protocol
        self._account = jaas_line(config, listener, self._mechanism).options if self._logs_in else {}
        self._client_id = f"login-{config.node_id}"

    async def run(self) -> None:
        await self._network.run()

    async def listen(self, host: str, port: int, tls: Tls | None = None) -> Listener:
        return await self._network.listen(host, port, tls)

    async def connect(self, host: str, port: int, tls: Tls | None = None) -> Stream:
        """Raises OSError, also where either side does not believe the other."""
        if self._tls is not None:
            await self._renew(self._tls)
        stream = await self._network.connect(host, port, self._tls)
        try:
            if self._logs_in:
                await self._log_in(stream)
        except BaseException as error:
            stream.close()
            if isinstance(error, LoginFailed | ProtocolError | trio.TooSlowError):
                logger.error("cannot log in at %s:%d: %s", host, port, error or "no answer")
                raise ConnectionAbortedError(f"cannot log in: {error or 'no answer'}") from error
            raise
        return stream

    async def touch(self, host: str, port: int) -> None:
        await self._network.touch(host, port)

    async def _renew(self, tls: RenewedTls) -> None:
        """A file system that does not answer keeps one thread, and nobody for long: the old certificate goes on."""
        with trio.move_on_after(RENEWAL_SECONDS):
            await trio.to_thread.run_sync(tls.renew, abandon_on_cancel=True, limiter=self._renewing)

    async def _log_in(self, stream: Stream) -> None:
        """Raises LoginFailed, OSError, ProtocolError, trio.TooSlowError."""
        exchange, channel = self._exchange(), Channel(stream, self._client_id)
        with trio.fail_after(CONNECT_SECONDS):
            begun = await channel.ask(SaslHandshakeRequest(exchange.mechanism), SaslHandshakeResponse, 1)
            if begun.error_code:
                raise LoginFailed(f"{exchange.mechanism}: {ErrorCode.from_code(begun.error_code).sentence}")
            token: bytes | None = exchange.first()
            while token is not None:
                answer = await channel.ask(SaslAuthenticateRequest(token), SaslAuthenticateResponse, 2)
                if answer.error_code:
                    raise LoginFailed(answer.error_message or ErrorCode.from_code(answer.error_code).sentence)
                # The keys of SCRAM take milliseconds to compute.
                token = await trio.to_thread.run_sync(exchange.reply, bytes(answer.auth_bytes))
        if answer.session_lifetime_ms:
            stream.retires_at = trio.current_time() + PART_OF_SESSION * answer.session_lifetime_ms / 1000

    def _exchange(self) -> Exchange:
        user, password = self._account.get("username"), self._account.get("password")
        if user is None or password is None:
            raise LoginFailed(f"sasl.jaas.config for {self._mechanism} has no username and password of this node's own")
        if self._mechanism == "PLAIN":
            return PlainExchange(user, password)
        nonce = base64.b64encode(self._random.randbytes(NONCE_BYTES)).decode()
        return ScramExchange(self._mechanism, user, password, nonce)


def between_brokers(network: Network, config: BrokerConfig, random: Random) -> Network:
    """By which this node reaches others: the network itself where nothing has to be agreed upon. Raises StoreError."""
    protocol = config.protocol_of(config.inter_broker_listener)
    return SecuredNetwork(network, config, random) if protocol in (*OVER_TLS, *WITH_LOGIN) else network


def _tls_of(config: BrokerConfig) -> RenewedTls:
    """The library for certificates is imported only where there are some."""
    from odradek_broker.tls.contexts import client_context
    from odradek_broker.tls.renewal import RenewedTls

    return RenewedTls(client_context, config, "this node, towards other brokers,")
