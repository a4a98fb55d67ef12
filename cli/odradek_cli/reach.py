"""Whether anybody is there at all, before a client begins to try again and again, as it should for a program."""

from __future__ import annotations

import trio

from odradek.network import Address, parse_bootstrap, reason_of
from odradek_cli.failures import Failed

PATIENCE_S = 1.0
TO_DO = "start one with `odradek up`, or name another with -b HOST:PORT"


async def check_reachable(bootstrap: str) -> None:
    """Return when one address takes a connection, or may yet.

    Raises Failed where all refuse, ValueError where there is no address.
    """
    addresses = parse_bootstrap(bootstrap)
    reasons: dict[Address, str] = {}
    async with trio.open_nursery() as nursery:

        async def knock(address: Address) -> None:
            try:
                with trio.move_on_after(PATIENCE_S):
                    await (await trio.open_tcp_stream(*address)).aclose()
                nursery.cancel_scope.cancel()
            except OSError as error:
                reasons[address] = reason_of(error)

        for address in addresses:
            nursery.start_soon(knock, address)
    if len(reasons) == len(set(addresses)):
        places = ", ".join(f"{host}:{port}" for host, port in addresses)
        raise Failed(f"no broker answers at {places} ({', '.join(sorted(set(reasons.values())))}): {TO_DO}")
