"""Which records `odradek tail` shows: each filter that is given has to let a record through."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

import msgspec

from odradek import Record

Raw: TypeAlias = Record[bytes | None, bytes | None]
Filter: TypeAlias = Callable[[Raw], bool]

MISSING = object()


def key_is(key: str) -> Filter:
    wanted = key.encode()
    return lambda record: record.key == wanted


def value_has(pattern: str) -> Filter:
    """A regular expression, searched in key and value. Raises ValueError."""
    try:
        search = re.compile(pattern.encode()).search
    except re.error as error:
        raise ValueError(f"--grep {pattern}: {error}") from None
    return lambda record: any(part is not None and search(part) is not None for part in (record.value, record.key))


def header_is(text: str) -> Filter:
    """NAME, or NAME=VALUE."""
    name, equals, value = text.partition("=")
    wanted = value.encode()
    return lambda record: any(has == name and (not equals or content == wanted) for has, content in record.headers)


def field_matches(text: str) -> Filter:
    """A field of a JSON value: PATH alone, or PATH, one of = != < <= > >=, and a value. A path is .a.b[0], as in jq."""
    match = re.fullmatch(r"\.?([^=!<>]+?)\s*(?:(==|!=|<=|>=|=|<|>)\s*(.*))?", text, re.DOTALL)
    if match is None:
        raise ValueError(f"--jq {text}: write .field.of.it=value")
    path = [int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", match[1])]
    operator, wanted = match[2], _literal(match[3])

    def matches(record: Raw) -> bool:
        try:
            found: Any = msgspec.json.decode(record.value or b"")
        except msgspec.DecodeError:
            return False
        found = _look_up(found, path)
        return found is not MISSING and (operator is None or _compare(found, operator, wanted))

    return matches


def _literal(text: str | None) -> Any:
    try:
        return msgspec.json.decode((text or "").encode())
    except msgspec.DecodeError:
        return text


def _look_up(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step), MISSING)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def _compare(found: Any, operator: str, wanted: Any) -> bool:
    if operator in ("=", "=="):
        return bool(found == wanted)
    if operator == "!=":
        return bool(found != wanted)
    try:
        return bool({"<": lt, "<=": le, ">": gt, ">=": ge}[operator](found, wanted))
    except TypeError:
        return False
