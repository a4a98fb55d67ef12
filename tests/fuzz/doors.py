"""By which somebody comes in who means harm, and by which whoever prepares and checks does.

A frame before a login ends its connection, whatever it is; one of somebody without rights is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl.plain import PlainExchange
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from tests.server.served_broker import Peer, Served

ROOT, GUEST, PASSWORD = "root", "guest", "secret"
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule required"
GUARDED = {
    "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
    "security.inter.broker.protocol": "SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.jaas.config": f'{_MODULE} username="{ROOT}" password="{PASSWORD}" '
    f'user_{ROOT}="{PASSWORD}" user_{GUEST}="{PASSWORD}";',
    "connection.failed.authentication.delay.ms": "0",
    "authorizer.class.name": STANDARD_AUTHORIZER,
    "super.users": f"User:{ROOT}",
}


class Door(NamedTuple):
    settings: Mapping[str, str]
    insider: Callable[[Served], Awaitable[Peer]]
    stranger: Callable[[Served], Awaitable[Peer]]


async def _anybody(served: Served) -> Peer:
    return await served.connect()


async def _root(served: Served) -> Peer:
    return await _logged_in(served, ROOT)


async def _guest(served: Served) -> Peer:
    return await _logged_in(served, GUEST)


async def _logged_in(served: Served, user: str) -> Peer:
    peer = await served.connect()
    await peer.ask(SaslHandshakeRequest("PLAIN"), SaslHandshakeResponse, 1)
    token = PlainExchange(user, PASSWORD).first()
    assert (await peer.ask(SaslAuthenticateRequest(token), SaslAuthenticateResponse, 2)).error_code == 0
    return peer


OPEN = Door({}, _anybody, _anybody)
BEFORE_LOGIN = Door(GUARDED, _root, _anybody)
WITHOUT_RIGHTS = Door(GUARDED, _root, _guest)
