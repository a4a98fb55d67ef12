"""How one configuration key is described, and how its text becomes a value.

A value is written as text everywhere outside of this package: in files, in the environment, in metadata records and on
the wire. `parse` and `render` are the only way from one to the other. A value that cannot be raises SettingError,
whose message continues a sentence that names the key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum
from typing import Any, TypeAlias

from msgspec import Struct

HIDDEN = "[hidden]"


class SettingError(ValueError):
    """The text is no value of this key."""


class Secret(Struct, frozen=True):
    """Text that nobody is shown: not in a log, not in an error, and not when settings are described."""

    text: str

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return HIDDEN

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class ConfigType(IntEnum):
    """Kafka's types of values, with their numbers in DescribeConfigs (version 3 on)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST, CLASS, PASSWORD = ConfigType

LONG_MAX = 2**63 - 1
INT_MAX = 2**31 - 1


class Dynamic(Enum):
    """Whether a broker key may be changed while the broker runs, and for whom."""

    NO = "no"
    CLUSTER = "cluster"
    """For one broker or for all."""
    BROKER = "broker"
    """For one broker only."""


Check: TypeAlias = Callable[[Any], str | None]
"""What is wrong with a value ("must be ..."), or None."""


class Setting(Struct, frozen=True):
    """What is known of one key apart from its name and its default."""

    sentence: str
    type: ConfigType
    check: Check | None = None
    dynamic: Dynamic = Dynamic.NO
    build: Callable[[str], Any] | None = None
    """Makes the value of a STRING or PASSWORD, or of each member of a LIST, where it is more than text.

    Raises ValueError.
    """

    def parse(self, text: str) -> Any:
        """The value. Raises SettingError."""
        value = _parsers[self.type](text.strip())
        if self.build is not None:
            try:
                value = tuple(map(self.build, value)) if self.type is LIST else self.build(value)
            except ValueError as error:
                raise SettingError(str(error)) from None
        wrong = self.check(value) if self.check is not None else None
        if wrong is not None:
            raise SettingError(wrong)
        return value

    def shown(self, text: str) -> str:
        """The text of a value as it may be told to somebody."""
        return HIDDEN if self.type is PASSWORD else text


def render(value: Any) -> str | None:
    """The text of a value, as `parse` takes it; None for a value that is not set."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(str(member) for member in value)
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    return str(value)


# ------------------------------------------------------------------------------------------------------------ checks


def at_least(least: float) -> Check:
    return lambda value: None if value >= least else f"must be at least {least}"


def between(least: float, most: float) -> Check:
    return lambda value: None if least <= value <= most else f"must be between {least} and {most}"


def one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else f"must be one of {', '.join(choices)}"


def each_of(*choices: str) -> Check:
    """For a LIST: known members, none of them twice."""

    def check(values: Iterable[str]) -> str | None:
        members = list(values)
        if len(set(members)) != len(members):
            return "must not name anything twice"
        return None if set(members) <= set(choices) else f"may only name {', '.join(choices)}"

    return check


def either(exception: int, otherwise: Check) -> Check:
    def check(value: Any) -> str | None:
        wrong = None if value == exception else otherwise(value)
        return None if wrong is None else f"{wrong}, or {exception}"

    return check


def not_empty(value: Any) -> str | None:
    return None if value else "must not be empty"


# ----------------------------------------------------------------------------------------------------------- parsers


def _parse_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise SettingError("must be true or false")
    return text.lower() == "true"


def _parse_integer(bits: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text) if text.lstrip("+-").isascii() and "_" not in text else None
        except ValueError:
            value = None
        if value is None:
            raise SettingError("must be a whole number")
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise SettingError(f"must fit in {bits} bits")
        return value

    return parse


def _parse_double(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise SettingError("must be a number")
    return value


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(member.strip() for member in text.split(",")) if text else ()


_parsers: dict[ConfigType, Callable[[str], Any]] = {
    BOOLEAN: _parse_boolean,
    STRING: str,
    INT: _parse_integer(32),
    SHORT: _parse_integer(16),
    LONG: _parse_integer(64),
    DOUBLE: _parse_double,
    LIST: _parse_list,
    CLASS: str,
    PASSWORD: str,
}
