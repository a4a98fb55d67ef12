"""How a client speaks with brokers and who it is: TLS, and a login by SASL.

    Security(security_protocol="SASL_SSL", ssl_ca_file="ca.pem", sasl_username="alice", sasl_password="...")

Names are those of Kafka's clients. Nothing secret is in its repr.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from odradek.protocol.sasl.exchange import Exchange
from odradek.protocol.sasl.oauthbearer import OAuthBearerExchange
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import HASHES, ScramExchange

SecurityProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class Security(Struct, frozen=True, kw_only=True):
    """Checked when made: raises ValueError."""

    security_protocol: SecurityProtocol = "PLAINTEXT"
    ssl_ca_file: str | None = None
    """The certificates (PEM) of those whose word is taken; where not given, whom the system believes."""
    ssl_cert_file: str | None = None
    """Our own certificate and its chain (PEM), for brokers that want to see one."""
    ssl_key_file: str | None = None
    """Its private key (PEM); where not given, it is in ssl_cert_file."""
    ssl_key_password: str | None = None
    ssl_check_hostname: bool = True
    """Whether a broker has to be the host that its certificate names."""
    ssl_context: ssl.SSLContext | None = None
    """In place of all that begins with ssl_."""
    sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = None
    sasl_tokenauth: bool = False
    """Whether sasl_username is the id of a delegation token, and sasl_password its password (SCRAM only)."""
    sasl_token: str | Callable[[], str] | None = None
    """For OAUTHBEARER: the token, or what gives a fresh one whenever it is asked, in a worker thread."""

    def __post_init__(self) -> None:
        if self.security_protocol not in get_args(SecurityProtocol):
            protocols = ", ".join(get_args(SecurityProtocol))
            raise ValueError(f"security_protocol={self.security_protocol!r}: use one of {protocols}")
        if self.sasl_mechanism not in get_args(SaslMechanism):
            raise ValueError(f"sasl_mechanism={self.sasl_mechanism!r}: use one of {', '.join(get_args(SaslMechanism))}")
        if not self.logs_in:
            return
        if self.sasl_mechanism == "OAUTHBEARER":
            if self.sasl_token is None:
                raise ValueError("OAUTHBEARER needs sasl_token")
        elif self.sasl_username is None or self.sasl_password is None:
            raise ValueError(f"{self.sasl_mechanism} needs sasl_username and sasl_password")
        if self.sasl_tokenauth and self.sasl_mechanism not in HASHES:
            raise ValueError(f"sasl_tokenauth needs a sasl_mechanism that is one of {', '.join(HASHES)}")

    @property
    def over_tls(self) -> bool:
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def logs_in(self) -> bool:
        return self.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def __repr__(self) -> str:
        return f"Security(security_protocol={self.security_protocol!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("security_protocol", self.security_protocol)]

    def tls(self) -> ssl.SSLContext | None:
        """None where TLS is not spoken. Raises OSError where a file cannot be used."""
        if not self.over_tls or self.ssl_context is not None:
            return self.ssl_context if self.over_tls else None
        context = ssl.create_default_context(cafile=self.ssl_ca_file)
        context.check_hostname = self.ssl_check_hostname
        if self.ssl_cert_file is not None:
            password = self.ssl_key_password or ""  # else OpenSSL would ask at the terminal
            context.load_cert_chain(self.ssl_cert_file, self.ssl_key_file, password)
        return context

    def exchange(self, nonce: str) -> Exchange:
        """One login. `nonce`: random. A token is asked for here."""
        if self.sasl_mechanism == "OAUTHBEARER":
            assert self.sasl_token is not None
            return OAuthBearerExchange(self.sasl_token() if callable(self.sasl_token) else self.sasl_token)
        assert self.sasl_username is not None and self.sasl_password is not None
        if self.sasl_mechanism in HASHES:
            account = (self.sasl_username, self.sasl_password)
            return ScramExchange(self.sasl_mechanism, *account, nonce, by_token=self.sasl_tokenauth)
        return PlainExchange(self.sasl_username, self.sasl_password)


NO_SECURITY = Security()
