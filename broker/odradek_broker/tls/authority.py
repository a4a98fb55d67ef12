"""A certificate authority of one's own, for a cluster that nobody else needs to believe.

Keys are of the curve P-256: a handshake costs a broker a tenth of what it does with RSA.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from odradek_broker.config.setting import Secret

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397
CLOCK_SKEW = timedelta(hours=1)
"""So much the clocks of others may be behind."""


class Issued(Struct, frozen=True):
    """A private key and its certificate."""

    key: Secret
    """PEM, not encrypted."""
    certificate: str
    """PEM."""

    @property
    def pem(self) -> str:
        """Both, as a key store holds them."""
        return self.key.text + self.certificate


class Authority:
    """Signs. Made anew by `create`, or of what was issued to it before."""

    def __init__(self, issued: Issued) -> None:
        key = load_pem_private_key(issued.key.text.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.issued = issued
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(issued.certificate.encode())

    @classmethod
    def create(cls, name: str) -> Authority:
        key, subject = ec.generate_private_key(ec.SECP256R1()), _name(name)
        begin = datetime.now(UTC) - CLOCK_SKEW
        builder = _builder(subject, subject, key, begin, begin + timedelta(days=AUTHORITY_DAYS))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return cls(_issued(key, builder.sign(key, hashes.SHA256())))

    def issue(
        self,
        name: str | x509.Name,
        hosts: Iterable[str] = (),
        *,
        days: float = CERTIFICATE_DAYS,
        since: datetime | None = None,
    ) -> Issued:
        """A certificate for a name, good for servers at these hosts (names or addresses), and for clients."""
        key = ec.generate_private_key(ec.SECP256R1())
        begin = since or datetime.now(UTC) - CLOCK_SKEW
        subject = name if isinstance(name, x509.Name) else _name(name)
        builder = _builder(subject, self._certificate.subject, key, begin, begin + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(by, critical=False)
        if names := [_alternative(host) for host in hosts]:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _issued(key, builder.sign(self._key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _issued(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Issued:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Issued(Secret(text), certificate.public_bytes(Encoding.PEM).decode())
