"""Users that a new cluster begins with, written as kafka-storage's --add-scram takes them:

SCRAM-SHA-256=[name=alice,password=secret] SCRAM-SHA-512=[name="bob",password="...",iterations=8192]
"""

from __future__ import annotations

import re

from msgspec import Struct

from odradek.protocol.sasl.scram import HASHES, LEAST_ITERATIONS

_USER = re.compile(r"\s*([A-Z0-9-]+)=\[([^\]]*)\]\s*;?")
_PART = re.compile(r'\s*(\w+)=(?:"([^"]*)"|([^",]*))\s*(?:,|$)')


class FirstUser(Struct, frozen=True):
    name: str
    mechanism: str
    password: str
    iterations: int = LEAST_ITERATIONS

    def __repr__(self) -> str:
        return f"FirstUser({self.name}, {self.mechanism})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("name", self.name), ("mechanism", self.mechanism)]


class FirstUsers(Struct, frozen=True):
    users: tuple[FirstUser, ...] = ()

    def __str__(self) -> str:
        return "[hidden]"


def parse_first_users(text: str) -> FirstUsers:
    """Raises ValueError, whose text has none of the passwords."""
    users: list[FirstUser] = []
    position = 0
    text = text.strip()
    while position < len(text):
        match = _USER.match(text, position)
        if match is None:
            raise ValueError(
                f"must look like SCRAM-SHA-512=[name=USER,password=PASSWORD]; user {len(users) + 1} does not"
            )
        users.append(_user(match[1], match[2], len(users) + 1))
        position = match.end()
    return FirstUsers(tuple(users))


def _user(mechanism: str, text: str, number: int) -> FirstUser:
    if mechanism not in HASHES:
        raise ValueError(f"names {mechanism} for user {number}, and not one of {', '.join(HASHES)}")
    parts, position = {}, 0
    while match := _PART.match(text, position) if position < len(text) else None:
        parts[match[1]] = match[3] if match[2] is None else match[2]
        position = match.end()
    unknown = parts.keys() - {"name", "password", "iterations"}
    if position < len(text) or unknown or not parts.get("name") or not parts.get("password"):
        raise ValueError(f"must give a name and a password for user {number}, and nothing but iterations besides")
    return FirstUser(parts["name"], mechanism, parts["password"], int(parts.get("iterations", LEAST_ITERATIONS)))
