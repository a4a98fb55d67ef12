"""Keys of logins, by Kafka's names. Each may be given for one listener, and for one mechanism there:
listener.name.<listener>.<mechanism>.<key>.
"""

from __future__ import annotations

from typing import Annotated

from odradek.protocol.sasl.scram import HASHES
from odradek_broker.config.listener_overrides import MECHANISMS
from odradek_broker.config.setting import (
    BOOLEAN,
    INT,
    LIST,
    LONG,
    PASSWORD,
    STRING,
    Secret,
    Setting,
    at_least,
    each_of,
    not_empty,
    one_of,
)
from odradek_broker.config.tls_keys import TlsConfig
from odradek_broker.config.units import HOUR_MS, KIB
from odradek_broker.security.first_users import FirstUsers, parse_first_users


class LoginConfig(TlsConfig, frozen=True, kw_only=True):
    """How others log in here, and how this broker logs in with others."""

    sasl_enabled_mechanisms: Annotated[
        tuple[str, ...],
        Setting("By which mechanisms one can log in; Kerberos (GSSAPI) is not among them.", LIST, each_of(*MECHANISMS)),
    ] = tuple(HASHES)
    sasl_jaas_config: Annotated[
        Secret | None,
        Setting(
            "User and password of this broker, and for PLAIN the users that can log in, as a line of JAAS.",
            PASSWORD,
            build=Secret,
        ),
    ] = None
    sasl_mechanism_inter_broker_protocol: Annotated[
        str, Setting("By which mechanism this broker logs in with others.", STRING, one_of(*MECHANISMS))
    ] = "SCRAM-SHA-512"
    sasl_server_max_receive_size: Annotated[
        int, Setting("The largest request of somebody who has not logged in.", INT, at_least(1))
    ] = 512 * KIB
    connections_max_reauth_ms: Annotated[int, Setting("After so long one has to log in anew; 0 for never.", LONG)] = 0
    sasl_oauthbearer_jwks_endpoint_url: Annotated[
        str | None,
        Setting(
            "Where the keys are by which tokens are signed (JWKS): a file, as file:///keys.json, or an https URL that "
            "is among sasl.oauthbearer.allowed.urls.",
            STRING,
        ),
    ] = None
    sasl_oauthbearer_allowed_urls: Annotated[
        tuple[str, ...],
        Setting(
            "The https URLs from which keys may be fetched. Kafka has a system property for it, "
            "org.apache.kafka.sasl.oauthbearer.allowed.urls; as a setting it is Odradek's own.",
            LIST,
        ),
    ] = ()
    sasl_oauthbearer_jwks_endpoint_ca_location: Annotated[
        str | None,
        Setting(
            "Whose word is taken for who is behind that URL: certificates (PEM); where not set, that of whom the "
            "system believes. A key of Odradek's own.",
            STRING,
        ),
    ] = None
    sasl_oauthbearer_jwks_endpoint_refresh_ms: Annotated[
        int, Setting("How often keys are fetched.", LONG, at_least(1))
    ] = HOUR_MS
    sasl_oauthbearer_jwks_endpoint_retry_backoff_ms: Annotated[
        int, Setting("How soon they are tried to be fetched again, and each time twice as long.", LONG, at_least(1))
    ] = 100
    sasl_oauthbearer_jwks_endpoint_retry_backoff_max_ms: Annotated[
        int, Setting("After how long at most they are tried to be fetched again.", LONG, at_least(1))
    ] = 10_000
    sasl_oauthbearer_unsecured_tokens: Annotated[
        bool,
        Setting(
            "Whether tokens are believed that nobody has signed, so that whoever comes can be anybody: for trying "
            "things out. A key of Odradek's own.",
            BOOLEAN,
        ),
    ] = False
    sasl_oauthbearer_expected_issuer: Annotated[str | None, Setting("Who has to have issued a token.", STRING)] = None
    sasl_oauthbearer_expected_audience: Annotated[
        tuple[str, ...], Setting("For whom a token has to be: one of these.", LIST)
    ] = ()
    sasl_oauthbearer_sub_claim_name: Annotated[
        str, Setting("What the user is called by in a token.", STRING, not_empty)
    ] = "sub"
    sasl_oauthbearer_clock_skew_seconds: Annotated[
        int, Setting("How far the clocks of who issues tokens may be off.", INT, at_least(0))
    ] = 30
    bootstrap_scram_users: Annotated[
        FirstUsers | None,
        Setting(
            "The users that a new cluster begins with, as SCRAM-SHA-512=[name=USER,password=PASSWORD]; of no effect on "
            "one that is there already. A key of Odradek's own.",
            PASSWORD,
            build=parse_first_users,
        ),
    ] = None
    connection_failed_authentication_delay_ms: Annotated[
        int, Setting("How long somebody who was refused waits to hear it.", INT, at_least(0))
    ] = 100
