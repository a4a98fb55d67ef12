"""Ports for processes that are about to start.

Invariants
    A port is given once: whoever asks next, in this process, is given others, though nobody listens yet.
    No port is one that the system hands to connections: a node that was killed finds its own free when it starts again.
    Another process that asks at the same time begins elsewhere.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Collection
from random import SystemRandom

PORTS = range(10_000, 32_000)
"""Linux gives connections those from 32,768 on, macOS from 49,152 on."""

_first = SystemRandom().choice(PORTS)  # whatever seed a test has set
_candidates = itertools.cycle([*range(_first, PORTS.stop), *range(PORTS.start, _first)])


def free_ports(count: int, besides: Collection[int] = ()) -> list[int]:
    """So many of 127.0.0.1 on which nobody listens, and none of those `besides`. Raises OSError where too few are."""
    found = (port for port in itertools.islice(_candidates, len(PORTS)) if port not in besides and _is_free(port))
    ports = list(itertools.islice(found, count))
    if len(ports) < count:
        raise OSError(f"from {PORTS.start} to {PORTS.stop - 1} nearly all ports are taken")
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: connections that ended do not count
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
