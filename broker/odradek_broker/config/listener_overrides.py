"""Settings for one listener alone, or for one mechanism of logins there:

    listener.name.<listener>.<key>
    listener.name.<listener>.<mechanism>.<key>

Listener and mechanism are in small letters. The environment and TOML have dots only, so a listener's SASL_SSL is also
found as sasl.ssl there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PREFIX = "listener.name."
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


class Place(NamedTuple):
    """Where a setting holds."""

    listener: str
    mechanism: str = ""
    """Empty where it holds for all of them."""


def split_override(name: str, listeners: Iterable[str]) -> tuple[Place, str] | None:
    """Where a key holds, and what it is; None where it names none of these listeners."""
    rest = _dotted(name.removeprefix(PREFIX))
    found = [each for each in listeners if rest.startswith(_dotted(each) + ".")]
    if not name.startswith(PREFIX) or not found:
        return None
    listener = max(found, key=len)
    rest = rest[len(listener) + 1 :]
    for mechanism in MECHANISMS:
        if rest.startswith(_dotted(mechanism) + "."):
            return Place(listener, mechanism), rest[len(mechanism) + 1 :]
    return Place(listener), rest


def _dotted(name: str) -> str:
    return name.lower().replace("_", ".").replace("-", ".")
