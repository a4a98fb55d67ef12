"""Keys of TLS, by Kafka's names. Each may be given for one listener alone: listener.name.<listener>.<key>."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from odradek_broker.config.setting import LIST, PASSWORD, STRING, Secret, Setting, each_of, one_of
from odradek_broker.security.principal_mapping import MappingRules, parse_mapping_rules

STORE_TYPES = ("JKS", "PKCS12", "PEM")
PROTOCOLS = ("TLSv1.2", "TLSv1.3")


RENEWABLE = frozenset(
    {
        "ssl.keystore.type",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.key.password",
        "ssl.keystore.key",
        "ssl.keystore.certificate.chain",
        "ssl.truststore.type",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.certificates",
    }
)
"""What may change for one listener of one broker while it runs. It stands in the metadata then, what is secret too."""


class TlsConfig(Struct, frozen=True, kw_only=True):
    """What this broker shows of itself, and whom it believes."""

    ssl_keystore_type: Annotated[
        str,
        Setting(
            "The form of the key store: PEM, or PKCS12; JKS, Kafka's default, stands for whichever of the two it is.",
            STRING,
            one_of(*STORE_TYPES),
        ),
    ] = "JKS"
    ssl_keystore_location: Annotated[
        str | None, Setting("The file with the private key and its chain of certificates.", STRING)
    ] = None
    ssl_keystore_password: Annotated[
        Secret | None, Setting("The password of a PKCS12 key store.", PASSWORD, build=Secret)
    ] = None
    ssl_key_password: Annotated[
        Secret | None, Setting("The password of the private key, where it is encrypted.", PASSWORD, build=Secret)
    ] = None
    ssl_keystore_key: Annotated[
        Secret | None, Setting("The private key itself, as PEM; instead of a file.", PASSWORD, build=Secret)
    ] = None
    ssl_keystore_certificate_chain: Annotated[
        Secret | None, Setting("The chain of certificates itself, as PEM; instead of a file.", PASSWORD, build=Secret)
    ] = None
    ssl_truststore_type: Annotated[
        str, Setting("The form of the trust store, as for the key store.", STRING, one_of(*STORE_TYPES))
    ] = "JKS"
    ssl_truststore_location: Annotated[
        str | None, Setting("The file with the certificates of those who are believed.", STRING)
    ] = None
    ssl_truststore_password: Annotated[
        Secret | None, Setting("The password of a PKCS12 trust store.", PASSWORD, build=Secret)
    ] = None
    ssl_truststore_certificates: Annotated[
        Secret | None, Setting("Those certificates themselves, as PEM; instead of a file.", PASSWORD, build=Secret)
    ] = None
    ssl_client_auth: Annotated[
        str,
        Setting("Whether who connects has to show a certificate.", STRING, one_of("none", "requested", "required")),
    ] = "none"
    ssl_principal_mapping_rules: Annotated[
        MappingRules,
        Setting("How the name in a certificate becomes a user's name.", STRING, build=parse_mapping_rules),
    ] = MappingRules()
    ssl_endpoint_identification_algorithm: Annotated[
        str,
        Setting(
            "https: a broker that we connect to has to be the one its certificate names; empty: it need not.",
            STRING,
            one_of("https", "HTTPS", ""),
        ),
    ] = "https"
    ssl_enabled_protocols: Annotated[
        tuple[str, ...], Setting("The versions of TLS that are spoken.", LIST, each_of(*PROTOCOLS))
    ] = PROTOCOLS
    ssl_cipher_suites: Annotated[
        tuple[str, ...], Setting("The cipher suites that are spoken; where not set, OpenSSL's choice.", LIST)
    ] = ()
