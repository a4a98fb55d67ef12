"""One text for one IP address, for whatever is kept or compared by it."""

from __future__ import annotations

import ipaddress


def plain_address(host: str) -> str:
    """An IPv4 address as such, though it came as ::ffff:10.0.0.1; an IPv6 address in its short form; else as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)
