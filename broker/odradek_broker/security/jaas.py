"""JAAS, as far as Kafka's settings use it: one login module with its options.

    org.apache.kafka.common.security.plain.PlainLoginModule required
        username="broker" password="..." user_alice="...";

What a line has in it are mostly passwords: a mistake is told without what stands around it.
"""

from __future__ import annotations

import re

from msgspec import Struct

_OPTION = re.compile(r'\s+([A-Za-z0-9_.@/$+-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s";]+))', re.DOTALL)
_HEAD = re.compile(r"\s*([\w.$]+)\s+(required|requisite|sufficient|optional)\b", re.IGNORECASE)
_USER = "user_"


class JaasLine(Struct, frozen=True):
    module: str
    options: dict[str, str]

    def __repr__(self) -> str:
        return f"JaasLine({self.module})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("module", self.module)]

    @property
    def users(self) -> dict[str, str]:
        """Passwords by user: of user_NAME="password"."""
        return {name.removeprefix(_USER): value for name, value in self.options.items() if name.startswith(_USER)}


def parse_jaas(text: str) -> JaasLine:
    """Raises ValueError."""
    head = _HEAD.match(text)
    if head is None:
        raise ValueError("must look like MODULE required NAME=VALUE ... ;")
    options: dict[str, str] = {}
    position = head.end()
    while match := _OPTION.match(text, position):
        quoted = match[2]
        options[match[1]] = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        position = match.end()
    if text[position:].strip() != ";":
        raise ValueError(f"must be NAME=VALUE pairs and a semicolon at the end; it is not behind option {len(options)}")
    return JaasLine(head[1], options)
