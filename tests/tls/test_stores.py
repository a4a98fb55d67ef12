"""Key stores and trust stores: what is read, and the one line that says why something is not."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from odradek_broker.config import BrokerConfig, load_broker_config
from odradek_broker.config.load import ConfigError
from odradek_broker.tls.check import check_tls
from odradek_broker.tls.stores import MAX_STORE_BYTES, KeyStore, StoreError, load_key_store, load_trust_store
from tests.tls.certified import authority, stranger, trusted, written

NOW = datetime.now(UTC)
ISSUED = authority().issue("broker", ["localhost"])
PASSWORD = "open sesame"


def config(**settings: str) -> BrokerConfig:
    return load_broker_config(
        None, {}, {name.replace("_", "."): text for name, text in settings.items()}, check_tls
    ).config


def key_store(**settings: str) -> KeyStore:
    store = load_key_store(config(**settings), NOW)
    assert store is not None
    return store


def why_not(**settings: str) -> str:
    with pytest.raises(StoreError) as caught:
        load_key_store(config(**settings), NOW)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def encrypted_key() -> str:
    key = load_pem_private_key(ISSUED.key.text.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())).decode()


def pkcs12_file(directory: Path, *, with_key: bool = True) -> str:
    path = directory / "store.p12"
    certificate = x509.load_pem_x509_certificate(ISSUED.certificate.encode())
    key = load_pem_private_key(ISSUED.key.text.encode(), None) if with_key else None
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"it",
            key,  # type: ignore[arg-type]
            certificate if with_key else None,
            None if with_key else [certificate],
            BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    return str(path)


def test_a_pem_file_holds_the_key_and_its_chain(tmp_path: Path) -> None:
    store = key_store(ssl_keystore_type="PEM", ssl_keystore_location=written(tmp_path, ISSUED))
    assert store.pem.decode() == ISSUED.pem


def test_key_and_chain_may_stand_in_the_settings_themselves() -> None:
    store = key_store(ssl_keystore_key=ISSUED.key.text, ssl_keystore_certificate_chain=ISSUED.certificate)
    assert store.pem.decode() == ISSUED.pem


def test_an_encrypted_key_is_opened_by_its_password() -> None:
    given = {"ssl_keystore_key": encrypted_key(), "ssl_keystore_certificate_chain": ISSUED.certificate}
    assert key_store(**given, ssl_key_password=PASSWORD).pem.decode() == ISSUED.pem
    assert why_not(**given, ssl_key_password="wrong").endswith("ssl.key.password does not open the private key")
    assert why_not(**given).endswith("the private key is encrypted, and ssl.key.password is not set")


@pytest.mark.parametrize("kind", ["PKCS12", "JKS"])
def test_a_pkcs12_store_is_read_under_either_name_as_java_does(tmp_path: Path, kind: str) -> None:
    given = {"ssl_keystore_type": kind, "ssl_keystore_location": pkcs12_file(tmp_path)}
    assert key_store(**given, ssl_keystore_password=PASSWORD).pem.decode() == ISSUED.pem
    assert "ssl.keystore.password does not open it" in why_not(**given, ssl_keystore_password="wrong")


def test_a_pkcs12_trust_store_is_read(tmp_path: Path) -> None:
    where = pkcs12_file(tmp_path, with_key=False)
    trusted_ones = load_trust_store(config(ssl_truststore_location=where, ssl_truststore_password=PASSWORD))
    assert trusted_ones is not None
    assert [each.subject.rfc4514_string() for each in trusted_ones] == ["CN=broker"]


def test_what_is_wrong_with_a_key_store_is_one_line_that_names_it(tmp_path: Path) -> None:
    other = authority().issue("other")
    path = str(tmp_path / "s")

    def said_of(content: bytes, **more: str) -> str:
        Path(path).write_bytes(content)
        line = why_not(ssl_keystore_location=path, **more)
        assert line.startswith(f"ssl.keystore.location={path}: ") and "\n" not in line
        return line.removeprefix(f"ssl.keystore.location={path}: ")

    assert why_not(ssl_keystore_location="/nowhere") == "ssl.keystore.location=/nowhere: No such file or directory"
    assert said_of(other.key.text.encode() + ISSUED.certificate.encode()) == (
        "the private key does not belong to the first certificate"
    )
    assert said_of(ISSUED.certificate.encode()) == "has no private key"
    assert said_of(ISSUED.key.text.encode()) == "has no certificate"
    assert said_of(b"\xfe\xed\xfe\xed....").startswith("is a store in Java's own form")
    assert said_of(ISSUED.pem.encode(), ssl_keystore_type="PKCS12") == "is not of type PKCS12"
    assert said_of(b"nothing", ssl_keystore_type="PEM") == "is not of type PEM"
    assert said_of(b"\n" * (MAX_STORE_BYTES + 1)) == f"is longer than {MAX_STORE_BYTES} bytes"
    broken = ISSUED.certificate.replace("M", "!", 1)
    assert said_of((ISSUED.key.text + broken).encode()) == "has a certificate that cannot be read"


def test_what_has_no_end_is_not_read_and_what_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/zero", str(tmp_path)):
        line = why_not(ssl_keystore_location=path)
        assert line in (f"ssl.keystore.location={path}: is no file", f"ssl.keystore.location={path}: Is a directory")


def test_beginnings_without_an_end_are_each_looked_at_once(tmp_path: Path) -> None:
    """A search for the end of each took 60 s for a tenth of this, and let nothing else run."""
    path = tmp_path / "beginnings"
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n" * 40_000)
    assert why_not(ssl_keystore_location=str(path)).endswith("has no private key")
    path.write_text(f"-----BEGIN X-----\n-----END X-----\nwords\n{ISSUED.pem}")
    assert key_store(ssl_keystore_location=str(path)).chain[0].public_bytes(Encoding.PEM).decode() == ISSUED.certificate


def test_a_certificate_that_is_over_or_not_yet_valid_is_told_at_the_start(tmp_path: Path) -> None:
    over = authority().issue("late", since=NOW - timedelta(days=9), days=3)
    early = authority().issue("early", since=NOW + timedelta(days=1))
    assert f"the certificate of CN=late expired on {NOW - timedelta(days=6):%Y-%m-%d}" in why_not(
        ssl_keystore_location=written(tmp_path, over)
    )
    assert "the certificate of CN=early is not valid before" in why_not(ssl_keystore_location=written(tmp_path, early))


def test_all_mistakes_of_all_listeners_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config(
            listeners="A://127.0.0.1:1,B://127.0.0.1:2",
            listener_security_protocol_map="A:SSL,B:SSL",
            **{
                "listener.name.a.ssl.keystore.location": "/nowhere",
                "listener.name.b.ssl.keystore.location": written(tmp_path, ISSUED),
                "listener.name.b.ssl.client.auth": "required",
                "listener.name.b.ssl.truststore.location": "/nobody",
            },
        )
    assert caught.value.mistakes == [
        "listeners: A: ssl.keystore.location=/nowhere: No such file or directory",
        "listeners: B: ssl.truststore.location=/nobody: No such file or directory",
    ]


def test_no_secret_is_in_what_is_printed(tmp_path: Path) -> None:
    made = config(
        ssl_keystore_password=PASSWORD,
        ssl_key_password=PASSWORD,
        ssl_truststore_password=PASSWORD,
        ssl_keystore_key=ISSUED.key.text,
        ssl_keystore_certificate_chain=ISSUED.certificate,
        **{"listener.name.plaintext.ssl.keystore.password": PASSWORD},
    )
    store = load_key_store(made, NOW)
    shown = f"{made!r} {made} {store!r} {ISSUED!r} {stranger().issued}"
    assert PASSWORD not in shown and "PRIVATE KEY" not in shown
    assert made.text("ssl.keystore.password") == "[hidden]"
    assert made.at("PLAINTEXT").ssl_keystore_password is not None
    trusted(tmp_path)
