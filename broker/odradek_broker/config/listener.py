"""An address to listen at or to advertise, written NAME://host:port as Kafka does, or simply host:port."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from odradek_broker.config.setting import SettingError

PLAINTEXT = "PLAINTEXT"
ANY_ADDRESS = ("", "0.0.0.0", "::")  # what may be listened at, but never advertised

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""What may be spoken at a listener, in the order of Kafka's numbers."""
OVER_TLS = ("SSL", "SASL_SSL")
WITH_LOGIN = ("SASL_PLAINTEXT", "SASL_SSL")

_form = re.compile(r"(?:(?P<name>[A-Za-z0-9_-]+)://)?(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:/]*):(?P<port>\d{1,5})")


class Listener(Struct, frozen=True):
    """A named address."""

    name: str
    host: str
    """Without brackets, also for IPv6; empty for every address of the machine."""
    port: int
    """0 for any free one."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_any_address(self) -> bool:
        return self.host in ANY_ADDRESS


class ProtocolMap(Struct, frozen=True):
    """The protocol of each named listener. One that is called like a protocol need not be named."""

    text: str = ",".join(f"{protocol}:{protocol}" for protocol in PROTOCOLS)
    protocols: Mapping[str, str] = MappingProxyType(dict(zip(PROTOCOLS, PROTOCOLS, strict=True)))

    def __str__(self) -> str:
        return self.text


def parse_protocol_map(text: str) -> ProtocolMap:
    """NAME:PROTOCOL,NAME:PROTOCOL. Raises SettingError."""
    protocols = dict(ProtocolMap().protocols)
    for entry in filter(None, map(str.strip, text.split(","))):
        name, colon, protocol = entry.upper().partition(":")
        if not name or not colon:
            raise SettingError("must look like NAME:PROTOCOL,NAME:PROTOCOL")
        if protocol not in PROTOCOLS:
            raise SettingError(f"names {protocol or 'nothing'} for {name}, and not one of {', '.join(PROTOCOLS)}")
        protocols[name] = protocol
    return ProtocolMap(text, protocols)


def parse_listener(text: str) -> Listener:
    """Raises SettingError."""
    match = _form.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise SettingError(f"must look like host:port or {PLAINTEXT}://host:port, unlike {text!r}")
    return Listener((match["name"] or PLAINTEXT).upper(), match["host"].strip("[]"), int(match["port"]))


def check_listeners(listeners: tuple[Listener, ...]) -> str | None:
    names = [listener.name for listener in listeners]
    if len(set(names)) != len(names):
        return "must give each listener a name of its own"
    addresses = [(listener.host, listener.port) for listener in listeners if listener.port]
    return None if len(set(addresses)) == len(addresses) else "must not name an address twice"
