"""An address to listen at or to advertise, written NAME://host:port as Kafka does, or simply host:port."""

from __future__ import annotations

import re

from msgspec import Struct

from odradek_broker.config.setting import SettingError

PLAINTEXT = "PLAINTEXT"
ANY_ADDRESS = ("", "0.0.0.0", "::")  # what may be listened at, but never advertised

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
    def is_any_address(self) -> bool:
        return self.host in ANY_ADDRESS


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
