"""Keys of etcd, where it keeps the metadata (controller.journal=etcd). All are Odradek's own.

Those of TLS are Kafka's with etcd. before them, and mean the same; a key store or a trust store is PEM or PKCS12.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from odradek_broker.config.listener import Listener
from odradek_broker.config.login_keys import LoginConfig
from odradek_broker.config.setting import LIST, PASSWORD, STRING, Secret, Setting, not_empty


def _check_endpoints(endpoints: tuple[str, ...]) -> str | None:
    for endpoint in endpoints:
        try:
            parts = urlsplit(endpoint)
        except ValueError:
            return "must look like http://host:2379,https://host:2379"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return "must look like http://host:2379,https://host:2379"
        if parts.username or parts.password:
            return "must not have a user in it: etcd.username and etcd.password are for that"
    return None


class EtcdConfig(LoginConfig, frozen=True, kw_only=True):
    """Where etcd is, whom we believe to be etcd, and who we are there."""

    etcd_endpoints: Annotated[
        tuple[str, ...],
        Setting("Where etcd is, as https://host:2379; with controller.journal=etcd.", LIST, _check_endpoints),
    ] = ()
    etcd_prefix: Annotated[str, Setting("What the cluster's keys in etcd begin with.", STRING, not_empty)] = "odradek"
    etcd_username: Annotated[str | None, Setting("As whom to log in at etcd.", STRING, not_empty)] = None
    etcd_password: Annotated[Secret | None, Setting("Its password.", PASSWORD, build=Secret)] = None
    etcd_ssl_keystore_location: Annotated[
        str | None, Setting("The key and certificate that etcd is shown, where it asks for one.", STRING)
    ] = None
    etcd_ssl_keystore_password: Annotated[
        Secret | None, Setting("The password of that, as PKCS12.", PASSWORD, build=Secret)
    ] = None
    etcd_ssl_key_password: Annotated[
        Secret | None, Setting("The password of its private key, where it is encrypted.", PASSWORD, build=Secret)
    ] = None
    etcd_ssl_truststore_location: Annotated[
        str | None, Setting("Whose certificates are believed to be etcd's; without, whom the system believes.", STRING)
    ] = None
    etcd_ssl_truststore_password: Annotated[
        Secret | None, Setting("The password of that, as PKCS12.", PASSWORD, build=Secret)
    ] = None

    @property
    def is_etcd_over_tls(self) -> bool:
        return any(endpoint.startswith("https:") for endpoint in self.etcd_endpoints)

    @property
    def open_etcd_endpoints(self) -> list[str]:
        """Those on other machines that are reached without TLS."""
        found = ((endpoint, urlsplit(endpoint)) for endpoint in self.etcd_endpoints)
        return [
            endpoint
            for endpoint, parts in found
            if parts.scheme == "http" and not Listener("", parts.hostname or "", 0).is_loopback
        ]
