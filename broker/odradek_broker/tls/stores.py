"""The key store and the trust store that the settings of one listener name, read and checked.

What is wrong is a StoreError of one line that names the setting, and never what is inside of a store.
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from msgspec import Struct

from odradek_broker.config.setting import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from odradek_broker.config import BrokerConfig

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")
_JKS = b"\xfe\xed\xfe\xed"

MAX_STORE_BYTES = 16 * 1024 * 1024
"""Of a file. An admin client may name any file of the broker's machine, also one without an end."""


class StoreError(Exception):
    """What is wrong, in one line."""


class KeyStore(Struct, frozen=True):
    """A private key and the certificates that belong to it, its own first."""

    key: Secret
    """PEM, not encrypted."""
    chain: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        return self.key.text.encode() + b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)


def load_key_store(config: BrokerConfig, now: datetime) -> KeyStore | None:
    """None where the settings name none. Raises StoreError, also for what is expired."""
    if config.ssl_keystore_key is not None or config.ssl_keystore_certificate_chain is not None:
        return _inline_key_store(config, now)
    if config.ssl_keystore_location is None:
        return None
    setting = f"ssl.keystore.location={config.ssl_keystore_location}"
    raw = _read(config.ssl_keystore_location, setting)
    if _is_pem(raw, config.ssl_keystore_type, setting):
        return _checked(_key_in(raw, config.ssl_key_password, setting), _certificates_in(raw, setting), setting, now)
    key, certificates = _unlock(raw, config.ssl_keystore_password, setting)
    if key is None:
        raise StoreError(f"{setting}: has no private key")
    return _checked(key, certificates, setting, now)


def load_trust_store(config: BrokerConfig) -> tuple[x509.Certificate, ...] | None:
    """Whose certificates are believed; None where the settings name none. Raises StoreError."""
    if config.ssl_truststore_certificates is not None:
        return _certificates_in(config.ssl_truststore_certificates.text.encode(), "ssl.truststore.certificates")
    if config.ssl_truststore_location is None:
        return None
    setting = f"ssl.truststore.location={config.ssl_truststore_location}"
    raw = _read(config.ssl_truststore_location, setting)
    if _is_pem(raw, config.ssl_truststore_type, setting):
        return _certificates_in(raw, setting)
    _, certificates = _unlock(raw, config.ssl_truststore_password, setting)
    if not certificates:
        raise StoreError(f"{setting}: has no certificate")
    return certificates


def _inline_key_store(config: BrokerConfig, now: datetime) -> KeyStore:
    key, chain = config.ssl_keystore_key, config.ssl_keystore_certificate_chain
    if config.ssl_keystore_location is not None:
        raise StoreError("ssl.keystore.location and ssl.keystore.key must not both be set")
    if key is None or chain is None:
        raise StoreError("ssl.keystore.key and ssl.keystore.certificate.chain must both be set, or neither")
    return _checked(
        _key_in(key.text.encode(), config.ssl_key_password, "ssl.keystore.key"),
        _certificates_in(chain.text.encode(), "ssl.keystore.certificate.chain"),
        "ssl.keystore.certificate.chain",
        now,
    )


def _checked(key: PrivateKeyTypes, chain: tuple[x509.Certificate, ...], setting: str, now: datetime) -> KeyStore:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        shown = chain[0].public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        raise StoreError(f"{setting}: the first certificate is of a key that cannot be used") from None
    if shown != key.public_key().public_bytes(*form):
        raise StoreError(f"{setting}: the private key does not belong to the first certificate")
    for each in chain:
        if each.not_valid_after_utc < now:
            raise StoreError(
                f"{setting}: the certificate of {_name(each)} expired on {each.not_valid_after_utc:%Y-%m-%d}"
            )
        if each.not_valid_before_utc > now:
            raise StoreError(
                f"{setting}: the certificate of {_name(each)} is not valid before {each.not_valid_before_utc}"
            )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return KeyStore(Secret(text), chain)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "nobody"


def _read(path: str, setting: str) -> bytes:
    """Raises StoreError, also for what is no file: a pipe would be waited for."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            raw = file.read(MAX_STORE_BYTES + 1) if is_file else b""
    except OSError as error:
        raise StoreError(f"{setting}: {error.strerror}") from None
    if not is_file:
        raise StoreError(f"{setting}: is no file")
    if len(raw) > MAX_STORE_BYTES:
        raise StoreError(f"{setting}: is longer than {MAX_STORE_BYTES} bytes")
    return raw


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _is_pem(raw: bytes, kind: str, setting: str) -> bool:
    """Java reads a PKCS12 store also where JKS is named; so do we, and PEM as well. Raises StoreError."""
    if raw.startswith(_JKS):
        raise StoreError(
            f"{setting}: is a store in Java's own form; "
            "`keytool -importkeystore -srckeystore OLD -destkeystore NEW -deststoretype pkcs12` makes one that is read"
        )
    is_pem = b"-----BEGIN " in raw
    if kind != "JKS" and is_pem != (kind == "PEM"):
        raise StoreError(f"{setting}: is not of type {kind}")
    return is_pem


def _key_in(raw: bytes, password: Secret | None, setting: str) -> PrivateKeyTypes:
    found = next((block for kind, block in _blocks(raw) if kind.endswith(b"PRIVATE KEY")), None)
    if found is None:
        raise StoreError(f"{setting}: has no private key")
    is_encrypted = b"ENCRYPTED" in found
    if is_encrypted and password is None:
        raise StoreError(f"{setting}: the private key is encrypted, and ssl.key.password is not set")
    try:
        return load_pem_private_key(found, password.text.encode() if password and is_encrypted else None)
    except UnsupportedAlgorithm:
        raise StoreError(f"{setting}: the private key is of a kind that cannot be used") from None
    except (ValueError, TypeError):
        why = "ssl.key.password does not open the private key" if is_encrypted else "the private key cannot be read"
        raise StoreError(f"{setting}: {why}") from None


def _blocks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What each is, and all of it.

    Behind one without an end nothing is looked for: 32 KiB of beginnings, each with its own search for the end, held
    the process for seconds.
    """
    at = 0
    while (begin := _BEGIN.search(raw, at)) is not None:
        last_line = b"-----END " + begin[1] + b"-----"
        end = raw.find(last_line, begin.end())
        if end < 0:
            return
        at = end + len(last_line)
        yield begin[1], raw[begin.start() : at]


def _certificates_in(raw: bytes, setting: str) -> tuple[x509.Certificate, ...]:
    blocks = [block for kind, block in _blocks(raw) if kind == b"CERTIFICATE"]
    if not blocks:
        raise StoreError(f"{setting}: has no certificate")
    try:
        return tuple(map(x509.load_pem_x509_certificate, blocks))
    except ValueError:
        raise StoreError(f"{setting}: has a certificate that cannot be read") from None


def _unlock(
    raw: bytes, password: Secret | None, setting: str
) -> tuple[PrivateKeyTypes | None, tuple[x509.Certificate, ...]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what keytool writes is not all it should be, and is read
            store = pkcs12.load_pkcs12(raw, None if password is None else password.text.encode())
    except UnsupportedAlgorithm:
        raise StoreError(f"{setting}: has a key of a kind that cannot be used") from None
    except ValueError:
        what = "ssl.keystore.password" if setting.startswith("ssl.keystore") else "ssl.truststore.password"
        raise StoreError(f"{setting}: is no PKCS12 store, or {what} does not open it") from None
    own = [] if store.cert is None else [store.cert]
    return store.key, tuple(each.certificate for each in [*own, *store.additional_certs])
