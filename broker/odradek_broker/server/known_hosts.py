"""Names of hosts in max.connections.per.ip.overrides, made addresses. A name service may be slow, or silent: all are
asked at once, and none is waited for longer than LOOKUP_SECONDS."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import trio

from odradek_broker.ports.addresses import plain_address

if TYPE_CHECKING:
    from odradek_broker.config.address_limits import AddressLimits

logger = logging.getLogger(__name__)

LOOKUP_SECONDS = 5


async def limits_by_address(limits: AddressLimits) -> dict[str, int]:
    """What is known after at most LOOKUP_SECONDS. Of two numbers for one address that which is named later counts."""
    found: dict[str, list[str]] = {}
    async with trio.open_nursery() as nursery:
        for host, _ in limits.limits:
            nursery.start_soon(_look_up, host, found)
    return {address: most for host, most in limits.limits for address in found.get(host, ())}


async def _look_up(host: str, found: dict[str, list[str]]) -> None:
    try:
        with trio.fail_after(LOOKUP_SECONDS):
            answers = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, trio.TooSlowError) as error:
        why = str(error) or f"no answer in {LOOKUP_SECONDS} s"
        logger.warning("max.connections.per.ip.overrides: %s is no host that is known: %s", host, why)
    else:
        found[host] = [plain_address(str(address[0])) for *_, address in answers]
