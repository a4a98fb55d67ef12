"""Names of certificates and of cipher suites, as Java writes them."""

from __future__ import annotations

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from odradek_broker.security.principal_mapping import MappingRules, parse_mapping_rules
from odradek_broker.tls.ciphers import openssl_name
from odradek_broker.tls.names import distinguished_name
from tests.tls.certified import authority


def der_of(*parts: list[x509.NameAttribute[str]]) -> bytes:
    name = x509.Name([x509.RelativeDistinguishedName(part) for part in parts])
    issued = authority().issue(name)
    return x509.load_pem_x509_certificate(issued.certificate.encode()).public_bytes(Encoding.DER)


def test_a_name_is_written_as_java_writes_it() -> None:
    """Each of these was read back from X500Principal.getName()."""
    attribute = x509.NameAttribute
    assert (
        distinguished_name(
            der_of(
                [attribute(NameOID.COUNTRY_NAME, "DE")],
                [attribute(NameOID.ORGANIZATION_NAME, "Öl, Gas")],
                [attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, ' a"b ')],
                [attribute(NameOID.COMMON_NAME, "#kafka1.example.com")],
            )
        )
        == 'CN=\\#kafka1.example.com,OU=\\ a\\"b\\ ,O=Öl\\, Gas,C=DE'
    )
    mail = attribute(NameOID.EMAIL_ADDRESS, "a@b", _type=_ASN1Type.IA5String)
    assert distinguished_name(der_of([mail], [attribute(NameOID.COMMON_NAME, "x")])) == (
        "CN=x,1.2.840.113549.1.9.1=#1603614062"
    )


@pytest.mark.parametrize(
    ("rules", "name", "user"),
    [
        ("DEFAULT", "CN=a,O=b", "CN=a,O=b"),
        ("", "CN=a,O=b", "CN=a,O=b"),
        ("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "CN=kafka-admin,OU=ServiceUsers,O=x", "kafka-admin"),
        ("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, DEFAULT", "CN=Admin,OU=ServiceUsers", "admin"),
        ("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, DEFAULT", "CN=Admin,OU=Others", "CN=Admin,OU=Others"),
        ("RULE:^CN=([^,]*),OU=([^,]*).*$/$1@$2/U", "CN=a,OU=b,O=c", "A@B"),
        ("RULE:CN=(.*)/$1/", "CN=a,OU=b", "a,OU=b"),
        ("RULE:^CN=(\\w+)/$1/", "CN=a,OU=b", None),
        ("RULE:CN=x\\/y/z/", "CN=x/y", "z"),
    ],
)
def test_rules_make_users_of_names(rules: str, name: str, user: str | None) -> None:
    assert parse_mapping_rules(rules).name_of(name) == user


@pytest.mark.parametrize(
    "text", ["RULE:^CN=(.*", "RULE:(/$1/", "RULE:a/$1/", "DEFAULT DEFAULT", "nothing", "RULE:a/b/X"]
)
def test_rules_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|has a"):
        parse_mapping_rules(text)


def test_a_name_of_any_length_is_not_looked_at() -> None:
    assert MappingRules().name_of("x" * 5000) is None


@pytest.mark.parametrize(
    ("java", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
        ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ],
)
def test_a_suite_is_found_by_its_name_in_the_standard(java: str, openssl: str) -> None:
    assert openssl_name(java) == openssl
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(openssl)
