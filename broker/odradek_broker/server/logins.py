"""The logins of one listener: which mechanisms it has, and where each finds its users."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

from odradek.protocol.sasl.scram import NUMBERS
from odradek_broker.config.logins import jaas_line
from odradek_broker.security.login import Login
from odradek_broker.security.plain import PlainServer
from odradek_broker.security.scram import ScramServer

if TYPE_CHECKING:
    from odradek.protocol.sasl.scram import ScramKeys
    from odradek_broker.config import BrokerConfig
    from odradek_broker.node.broker import Broker
    from odradek_broker.security.mechanism import ServerExchange, Start

NONCE_BYTES = 24


class Logins:
    def __init__(self, config: BrokerConfig, listener: str) -> None:
        self._mechanisms = config.sasl_enabled_mechanisms
        self._session_ms = {each: config.at(listener, each).connections_max_reauth_ms for each in self._mechanisms}
        self._passwords = jaas_line(config, listener, "PLAIN").users if "PLAIN" in self._mechanisms else {}
        self._secret = b""

    def new(self, broker: Broker) -> Login:
        self._secret = self._secret or broker.random.randbytes(32)
        starts: dict[str, Start] = {each: partial(self._start, each, broker) for each in self._mechanisms}
        return Login(starts, self._session_ms)

    def _start(self, mechanism: str, broker: Broker) -> ServerExchange:
        if mechanism == "PLAIN":
            return PlainServer(self._passwords)
        number = next(number for number, name in NUMBERS.items() if name == mechanism)

        def keys_of(user: str) -> ScramKeys | None:
            return broker.image.scram.get((number, user))

        nonce = base64.b64encode(broker.random.randbytes(NONCE_BYTES)).decode()
        return ScramServer(mechanism, keys_of, nonce, self._secret)
