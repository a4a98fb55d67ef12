"""As whom somebody acts: a type and a name, which Kafka writes TYPE:NAME."""

from __future__ import annotations

from msgspec import Struct

USER = "User"


class Principal(Struct, frozen=True):
    """Equal to another where both type and name are; case counts."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


ANONYMOUS = Principal(USER, "ANONYMOUS")
"""Whoever came by a listener that asks nobody who they are."""


def parse_principal(text: str) -> Principal:
    """TYPE:NAME, where the name may have colons of its own. Raises ValueError."""
    kind, colon, name = text.partition(":")
    if not colon or not kind:
        raise ValueError(f"{text!r} must look like {USER}:NAME")
    return Principal(kind, name)
