"""How many connections single addresses may have open: max.connections.per.ip.overrides."""

from __future__ import annotations

from msgspec import Struct

from odradek_broker.config.setting import SettingError


class AddressLimits(Struct, frozen=True):
    """Hosts, by name or address, each with its number."""

    limits: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return ",".join(f"{host}:{count}" for host, count in self.limits)


def parse_address_limits(text: str) -> AddressLimits:
    """HOST:COUNT,HOST:COUNT; an IPv6 address may stand in brackets. Raises SettingError."""
    limits = []
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        host, _, count = entry.rpartition(":")
        host = host.strip().strip("[]")
        if not host or not (count.isascii() and count.isdecimal()):
            raise SettingError("must look like HOST:COUNT,HOST:COUNT")
        limits.append((host, int(count)))
    return AddressLimits(tuple(limits))
