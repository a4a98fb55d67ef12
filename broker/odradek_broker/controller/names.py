"""What a topic may be called: Kafka's rules (clients: Topic.java)."""

from __future__ import annotations

import re

MAX_LENGTH = 249

_legal = re.compile(r"[a-zA-Z0-9._-]+")


def check_topic_name(name: str) -> str | None:
    """What is wrong with a name, or None."""
    if not name:
        return "the topic name is empty"
    if name in (".", ".."):
        return f"{name!r} cannot be a topic's name"
    if len(name) > MAX_LENGTH:
        return f"the topic name has {len(name)} characters, and at most {MAX_LENGTH} are possible"
    if not _legal.fullmatch(name):
        return f"the topic name {name[:80]!r} has other characters than letters, digits, '.', '_' and '-'"
    return None


def collision_key(name: str) -> str:
    """Two names with the same key collide: metrics replace the one character by the other."""
    return name.replace(".", "_")
