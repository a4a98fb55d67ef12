"""ssl.principal.mapping.rules: the name in a certificate becomes a user's name.

    RULE:pattern/replacement/     and behind it L or U, for lower or upper case
    DEFAULT                       the whole name as it is

Rules are tried in their order. A pattern has to fit the whole name; $1 in the replacement is its first group.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

_RULE = re.compile(r"DEFAULT|RULE:((?:\\.|[^\\/])*)/((?:\\.|[^\\/])*)/([LU]?)", re.DOTALL)
_GROUP = re.compile(r"\$(\d)|\\(.)", re.DOTALL)
_CASE: dict[str, Callable[[str], str]] = {"": str, "L": str.lower, "U": str.upper}

LONGEST_NAME = 4096
"""Characters of a name that is looked at: a pattern may take long over a longer one."""


class Rule(Struct, frozen=True):
    """One rule; DEFAULT has no pattern."""

    pattern: str | None = None
    replacement: str = ""
    case: str = ""

    def apply(self, name: str) -> str | None:
        """None where it does not fit."""
        if self.pattern is None:
            return name
        match = re.fullmatch(self.pattern, name)
        if match is None:
            return None
        replaced = _GROUP.sub(lambda mark: match[int(mark[1])] or "" if mark[1] else mark[2], self.replacement)
        return _CASE[self.case](replaced)


class MappingRules(Struct, frozen=True):
    text: str = "DEFAULT"
    rules: tuple[Rule, ...] = (Rule(),)

    def __str__(self) -> str:
        return self.text

    def name_of(self, distinguished_name: str) -> str | None:
        """The user's name; None where no rule fits."""
        if len(distinguished_name) > LONGEST_NAME:
            return None
        return next((name for rule in self.rules if (name := rule.apply(distinguished_name)) is not None), None)


def parse_mapping_rules(text: str) -> MappingRules:
    """Raises ValueError."""
    rules, rest = [], text.strip()
    while rest:
        match = _RULE.match(rest)
        if match is None:
            raise ValueError(f"must be a list of DEFAULT and RULE:pattern/replacement/[LU], unlike {rest!r}")
        rules.append(_checked(match))
        rest = rest[match.end() :].strip()
        if rest and not rest.startswith(","):
            raise ValueError(f"must have commas between its rules, unlike {rest!r}")
        rest = rest.removeprefix(",").strip()
    return MappingRules(text, tuple(rules)) if rules else MappingRules()


def _checked(match: re.Match[str]) -> Rule:
    if match[1] is None:
        return Rule()
    try:
        groups = re.compile(match[1]).groups
    except re.error as error:
        raise ValueError(f"has a pattern that is none: {match[1]!r}: {error}") from None
    if any(int(mark[1]) > groups for mark in _GROUP.finditer(match[2]) if mark[1]):
        raise ValueError(f"has a replacement that names a group which its pattern lacks: {match[0]!r}")
    return Rule(match[1], match[2], match[3])
