"""SSLContexts out of settings. Keys reach OpenSSL by a file in memory, where the system has such: never by the disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs

from odradek_broker.tls.ciphers import TLS_1_3, openssl_name
from odradek_broker.tls.stores import StoreError, load_key_store, load_trust_store

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_NO_STORES = {
    **dict.fromkeys(("ssl_keystore_type", "ssl_truststore_type"), "JKS"),
    **dict.fromkeys(("ssl_keystore_key", "ssl_keystore_certificate_chain", "ssl_truststore_certificates")),
    "ssl_endpoint_identification_algorithm": "https",
}
"""JKS stands for whatever a store is."""
_AUTH = {"none": ssl.CERT_NONE, "requested": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(config: BrokerConfig) -> ssl.SSLContext:
    """For those who connect to a listener with these settings. Raises StoreError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.verify_mode = _AUTH[config.ssl_client_auth]
    if not _show(config, context):
        raise StoreError("ssl.keystore.location, or ssl.keystore.key with its certificate chain, is not set")
    if context.verify_mode is not ssl.CERT_NONE:
        _believe(config, context, ssl.Purpose.CLIENT_AUTH)
    _restrict(config, context)
    return context


def client_context(config: BrokerConfig) -> ssl.SSLContext:
    """For other brokers and controllers that we connect to. Raises StoreError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = bool(config.ssl_endpoint_identification_algorithm)
    _show(config, context)
    _believe(config, context, ssl.Purpose.SERVER_AUTH)
    _restrict(config, context)
    return context


def etcd_context(config: BrokerConfig) -> ssl.SSLContext:
    """For etcd: its host is always checked. Raises StoreError."""
    stores = {
        "ssl_keystore_location": config.etcd_ssl_keystore_location,
        "ssl_keystore_password": config.etcd_ssl_keystore_password,
        "ssl_key_password": config.etcd_ssl_key_password,
        "ssl_truststore_location": config.etcd_ssl_truststore_location,
        "ssl_truststore_password": config.etcd_ssl_truststore_password,
    }
    try:
        return client_context(structs.replace(config, **_NO_STORES, **stores))
    except StoreError as error:
        raise StoreError(f"etcd.{error}" if f"{error}".startswith("ssl.") else f"etcd: {error}") from None


def _show(config: BrokerConfig, context: ssl.SSLContext) -> bool:
    """False where there is nothing to be shown."""
    store = load_key_store(config, datetime.now(UTC))
    if store is None:
        return False
    try:
        with _file_of(store.pem) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise StoreError(f"OpenSSL refuses the key store: {error.reason or error}") from None
    return True


def _believe(config: BrokerConfig, context: ssl.SSLContext, purpose: ssl.Purpose) -> None:
    """Whom the trust store names; without one, whom the system believes, as Kafka does it."""
    trusted = load_trust_store(config)
    if trusted is None:
        context.load_default_certs(purpose)
        return
    try:
        context.load_verify_locations(cadata="".join(each.public_bytes(Encoding.PEM).decode() for each in trusted))
    except ssl.SSLError as error:
        raise StoreError(f"OpenSSL refuses the trust store: {error.reason or error}") from None


def _restrict(config: BrokerConfig, context: ssl.SSLContext) -> None:
    protocols = set(config.ssl_enabled_protocols)
    suites = set(config.ssl_cipher_suites)
    if suites:
        newer, older = suites & set(TLS_1_3), suites - set(TLS_1_3)
        if newer and newer != set(TLS_1_3) and "TLSv1.3" in protocols:
            raise StoreError(f"ssl.cipher.suites must name all suites of TLS 1.3 or none: {', '.join(TLS_1_3)}")
        protocols &= ({"TLSv1.3"} if newer else set()) | ({"TLSv1.2"} if older else set())
        if older:
            _set_ciphers(context, older)
    if not protocols:
        raise StoreError("ssl.enabled.protocols and ssl.cipher.suites leave nothing that could be spoken")
    context.minimum_version = _VERSIONS[min(protocols)]
    context.maximum_version = _VERSIONS[max(protocols)]


def _set_ciphers(context: ssl.SSLContext, suites: set[str]) -> None:
    for suite in sorted(suites):
        try:
            context.set_ciphers(openssl_name(suite))
        except ssl.SSLError:
            raise StoreError(f"ssl.cipher.suites: {suite} is not known to OpenSSL") from None
    context.set_ciphers(":".join(map(openssl_name, sorted(suites))))


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """OpenSSL's Python module reads keys from files only."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key store", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:  # readable by its owner only
            file.write(content)
            file.flush()
            yield file.name
