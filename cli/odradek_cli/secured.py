"""What `odradek up --secure` writes down: an authority, certificates, passwords, and how clients connect.

All of it is in one directory beside the data, for this user's eyes only. What is there is kept: a cluster that is
started again has the same authority and the same passwords. Certificates are made anew when they are about to end,
or lack a host.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from msgspec import Struct

from odradek.security import Security
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.config.setting import Secret
from odradek_broker.tls.authority import Authority, Issued
from odradek_cli.failures import Failed

DIRECTORY = "security"
AUTHORITY, AUTHORITY_KEY, BROKERS = "ca.pem", "ca-key.pem", "brokers.pem"
SETTINGS, PROFILE, PROPERTIES, KCAT = "brokers.properties", "client.toml", "client.properties", "kcat.conf"
ADMIN, BROKER = "admin", "broker"
OF_A_CLUSTER = ("meta.properties", "cluster.json")
"""Files of which the data directory of any cluster has one."""
RENEW_BEFORE = timedelta(days=30)
PASSWORD_BYTES = 24

_SASL = "org.apache.kafka.common.security"


class Secured(Struct, frozen=True):
    """A directory in which all this is."""

    directory: Path

    @property
    def settings(self) -> Path:
        """For brokers."""
        return self.directory / SETTINGS

    @property
    def profile(self) -> Path:
        """For the command line and its administrator."""
        return self.directory / PROFILE

    @property
    def kcat(self) -> Path:
        return self.directory / KCAT


def secure(data_dir: Path, hosts: Iterable[str]) -> Secured:
    """Write what is not there yet. `hosts`: by which brokers are reached. Raises OSError.

    Raises Failed where there is a cluster already that was not secured: it has no administrator, and users of a new
    cluster are no use to it.
    """
    secured = Secured(data_dir.resolve() / DIRECTORY)
    if not secured.settings.exists() and any((data_dir / name).exists() for name in OF_A_CLUSTER):
        raise Failed(
            f"{data_dir} has a cluster that is not secured; docs/security.md says how one is that runs already"
        )
    write(secured, hosts)
    return secured


def write(
    secured: Secured, hosts: Iterable[str], listeners: Sequence[str] = ("SASL_SSL",), seen_at: Path | None = None
) -> None:
    """What is not there yet, and a certificate that is about to end or lacks a host. Raises OSError.

    `listeners`: those at which one logs in, the one between brokers first; `seen_at`: where brokers find the directory.
    """
    directory, names = secured.directory, list(hosts)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not secured.settings.exists():
        authority = Authority.create("Odradek")
        _write(directory / AUTHORITY_KEY, authority.issued.key.text)
        _write(directory / AUTHORITY, authority.issued.certificate)
        _write(secured.settings, _settings(seen_at or directory, _password(), _password(), listeners))
    path = directory / BROKERS
    if ends_soon(path) or not set(names) <= set(hosts_of(read_certificate(path))):
        renew(directory, names)


def renew(directory: Path, hosts: Iterable[str] = ()) -> datetime:
    """Make the brokers' certificate anew, and return when it ends; brokers that run take it up by themselves.

    Without `hosts` it is for the same ones as the one before. Raises OSError.
    """
    path = directory / BROKERS
    names = list(hosts) or hosts_of(read_certificate(path))
    key, certificate = ((directory / name).read_text() for name in (AUTHORITY_KEY, AUTHORITY))
    issued = Authority(Issued(Secret(key), certificate)).issue(BROKER, names)
    _write(path, issued.pem)
    return x509.load_pem_x509_certificate(issued.certificate.encode()).not_valid_after_utc


def tell_clients(secured: Secured, bootstrap: str, seen_at: Path | None = None) -> Security:
    """Write how the administrator connects, once it is known where. Raises OSError.

    `seen_at`: where clients find the directory.
    """
    authority = (seen_at or secured.directory) / AUTHORITY
    directory, password = secured.directory, _password_of_admin(secured)
    account = {"sasl-mechanism": "SCRAM-SHA-512", "sasl-username": ADMIN, "sasl-password": password}
    profile = {"bootstrap-server": bootstrap, "security-protocol": "SASL_SSL", "ssl-ca-file": AUTHORITY, **account}
    _write(secured.profile, "".join(f'{key} = "{value}"\n' for key, value in profile.items()))
    jaas = f'{_SASL}.scram.ScramLoginModule required username="{ADMIN}" password="{password}";'
    _write(
        directory / PROPERTIES,
        f"bootstrap.servers={bootstrap}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
        f"sasl.jaas.config={jaas}\nssl.truststore.type=PEM\nssl.truststore.location={authority}\n",
    )
    # librdkafka before 2.11.1, as with many a kcat, cannot do SCRAM with a broker that checks nonces.
    _write(
        secured.kcat,
        f"bootstrap.servers={bootstrap}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username={ADMIN}\n"
        f"sasl.password={password}\nssl.ca.location={authority}\n",
    )
    return security_of(secured)


def security_of(secured: Secured) -> Security:
    """The administrator's."""
    return Security(
        security_protocol="SASL_SSL",
        ssl_ca_file=str(secured.directory / AUTHORITY),
        sasl_username=ADMIN,
        sasl_password=_password_of_admin(secured),
    )


def security_of_etcd(secured: Secured) -> Security:
    """As which its members, and whoever asks them, know each other: by certificates of the same authority."""
    directory = secured.directory
    return Security(
        security_protocol="SSL", ssl_ca_file=str(directory / AUTHORITY), ssl_cert_file=str(directory / BROKERS)
    )


def hosts_for(host: str) -> list[str]:
    """By which names and addresses brokers that listen at `host` may be reached."""
    return list(dict.fromkeys(filter(None, ["localhost", "127.0.0.1", "::1", host, socket.gethostname()])))


def read_certificate(path: Path) -> x509.Certificate:
    """The first one of a file. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def hosts_of(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(each.value) for each in found]


def ends_soon(path: Path) -> bool:
    return not path.exists() or read_certificate(path).not_valid_after_utc - datetime.now(UTC) < RENEW_BEFORE


def _settings(directory: Path, admin: str, broker: str, listeners: Sequence[str]) -> str:
    stores = {"keystore": BROKERS, "truststore": AUTHORITY}
    settings = {
        "inter.broker.listener.name": listeners[0],
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN",
        "bootstrap.scram.users": f"SCRAM-SHA-512=[name={BROKER},password={broker}] "
        + " ".join(f"SCRAM-SHA-{bits}=[name={ADMIN},password={admin}]" for bits in (256, 512)),
        "authorizer.class.name": STANDARD_AUTHORIZER,
        "super.users": f"User:{ADMIN};User:{BROKER}",
    }
    for at in (f"listener.name.{each.lower()}" for each in listeners):
        settings |= {
            f"{at}.scram-sha-512.sasl.jaas.config": f'{_SASL}.scram.ScramLoginModule required username="{BROKER}" '
            f'password="{broker}";',
            f"{at}.plain.sasl.jaas.config": f'{_SASL}.plain.PlainLoginModule required user_{ADMIN}="{admin}";',
        }
    for store, name in stores.items():
        settings |= {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": str(directory / name)}
        settings[f"etcd.ssl.{store}.location"] = str(directory / name)
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _password_of_admin(secured: Secured) -> str:
    return secured.settings.read_text().partition(f'user_{ADMIN}="')[2].partition('"')[0]


def _password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _write(path: Path, text: str) -> None:
    """The whole, or nothing, and for nobody else to read."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
