"""Which records `odradek tail` shows: each filter that is given has to let a record through."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from odradek import Record

Raw: TypeAlias = Record[bytes | None, bytes | None]
Filter: TypeAlias = Callable[[Raw], bool]

_assignment = re.compile(r"\s*\.[\w.\[\]\"]*\s*=(?!=).*", re.DOTALL)


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


def selected_by(program: str) -> Filter:
    """Where a jq program makes something of a JSON value that is neither false nor null.

    Raises ValueError for what is no program, and where the jq package is not installed.
    """
    try:
        import jq  # type: ignore[import-not-found] # it has no types
    except ImportError:
        raise ValueError("--jq needs the jq package: pip install 'odradek[jq]'") from None
    if _assignment.fullmatch(program):
        raise ValueError(f"--jq {program}: = assigns; write == to compare")
    try:
        compiled = jq.compile(program)
    except ValueError as error:
        reason = str(error).splitlines()[0].removeprefix("jq: error: ")
        raise ValueError(f"--jq {program}: {reason}") from None

    def selects(record: Raw) -> bool:
        try:
            for made in compiled.input_text((record.value or b"").decode()):
                return made is not None and made is not False
        except ValueError:  # no JSON, or not of the kind that the program is for
            pass
        return False

    return selects
