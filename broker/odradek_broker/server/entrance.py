"""What a listener asks of who comes by it, and who they are then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.protocol.primitives import ProtocolError
from odradek_broker.config.listener import OVER_TLS, WITH_LOGIN
from odradek_broker.security.principal import ANONYMOUS, USER, Principal
from odradek_broker.server.logins import Logins
from odradek_broker.server.turns import Turns

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.node.broker import Broker
    from odradek_broker.security.login import Login
    from odradek_broker.tls.renewal import RenewedTls


class Entrance:
    """One listener's."""

    def __init__(self, listener: str, config: BrokerConfig) -> None:
        """Raises StoreError."""
        self.listener = listener
        protocol = config.protocol_of(listener)
        self._by_certificate = protocol == "SSL"
        self._rules = config.ssl_principal_mapping_rules
        self.login_bytes = config.sasl_server_max_receive_size
        """The largest request of somebody who has not logged in."""
        self.refusal_delay_s = config.connection_failed_authentication_delay_ms / 1000
        self.turns = Turns()
        self._logins = Logins(config, listener) if protocol in WITH_LOGIN else None
        self.tls = _tls_of(listener, config) if protocol in OVER_TLS else None

    async def run(self) -> None:
        """Keep fresh what is needed to know who somebody is."""
        if self._logins is not None:
            await self._logins.run()

    async def wait_turn(self, host: str, mechanism: str = "") -> None:
        """Before each step of a stranger (turns.py). `mechanism`: by which they log in, once that is known."""
        if self._logins is not None:
            await self._logins.ready(mechanism)
        await self.turns.wait(host)

    def new_login(self, broker: Broker) -> Login | None:
        """For one connection; None where nobody has to log in."""
        return None if self._logins is None else self._logins.new(broker)

    def principal(self, certificate: bytes | None) -> Principal:
        """As whom somebody acts who has shown this certificate (DER), or none. Raises ProtocolError."""
        if certificate is None or not self._by_certificate:
            return ANONYMOUS
        from odradek_broker.tls.names import distinguished_name

        shown = distinguished_name(certificate)
        name = self._rules.name_of(shown)
        if name is None:
            raise ProtocolError(f"no rule of ssl.principal.mapping.rules fits the name {shown}")
        return Principal(USER, name)


def _tls_of(listener: str, config: BrokerConfig) -> RenewedTls:
    """The library for certificates is imported only where there are some."""
    from odradek_broker.tls.contexts import server_context
    from odradek_broker.tls.renewal import RenewedTls

    return RenewedTls(server_context, config, f"listener {listener}")
