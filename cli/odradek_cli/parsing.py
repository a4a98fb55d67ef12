"""Words to the arguments of a command's function, as GNU programs read them.

Options may stand anywhere before --, a value behind its name or joined to it: -n 5, -n5, --last 5, --last=5.
"""

from __future__ import annotations

import getopt
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from odradek_cli.command import Command, Option, Parameter, UsageError

HELP = ("--help", "-h")


class HelpWanted(Exception):
    """Somebody asks for the help text instead."""


def arguments_of(command: Command, words: Sequence[str], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The keyword arguments that the words amount to. Raises UsageError, HelpWanted."""
    options = {name: each for each in command.options for name in (*each.names, *_denials(each))}
    given, rest = _split(words, options)
    values: dict[str, Any] = {}
    for name, text in given:
        _take(values, options[name], name, text)
    _fill(values, command, rest)
    for each in command.options:
        if each.name not in values:
            values[each.name] = _left_out(each, environment)
    return values


def _split(words: Sequence[str], options: Mapping[str, Parameter]) -> tuple[list[tuple[str, str]], list[str]]:
    shorts, longs = "h", ["help"]
    for name, each in options.items():
        if name.startswith("--"):
            longs.append(name[2:] + ("" if each.is_switch else "="))
        else:
            shorts += name[1] + ("" if each.is_switch else ":")
    try:
        given, rest = getopt.gnu_getopt(list(words), shorts, longs)
    except getopt.GetoptError as error:
        known = [name for name in (*options, *HELP) if name.startswith("--")]
        raise UsageError(_complaint(error, known)) from None
    if any(name in HELP for name, _ in given):
        raise HelpWanted
    return given, rest


def _complaint(error: getopt.GetoptError, known: Iterable[str]) -> str:
    if "not recognized" not in error.msg:
        return error.msg
    dashes = "-" if len(error.opt) == 1 else "--"
    return f"there is no option {dashes}{error.opt}{guess(f'--{error.opt}', known)}"


def guess(word: str, known: Iterable[str]) -> str:
    """A suggestion to add to a complaint, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _denials(parameter: Parameter) -> tuple[str, ...]:
    return () if parameter.denial is None else (parameter.denial,)


def _take(values: dict[str, Any], parameter: Parameter, name: str, text: str) -> None:
    if parameter.is_switch:
        values[parameter.name] = name != parameter.denial
    elif parameter.is_list:
        values.setdefault(parameter.name, []).append(_value(parameter, name, text))
    else:
        values[parameter.name] = _value(parameter, name, text)


def _fill(values: dict[str, Any], command: Command, rest: list[str]) -> None:
    """Give the words that are no options to the arguments, in order; the last may take all that is left."""
    for each in command.arguments:
        if each.is_required and not rest:
            raise UsageError(f"{each.metavar} is missing")
        taken, rest = (rest, []) if each.is_list else (rest[:1], rest[1:])
        found = [_value(each, each.metavar, text) for text in taken]
        values[each.name] = (found if each.is_list else found[0]) if found else each.default
    if rest:
        raise UsageError(f"nothing is to be done with {rest[0]}")


def _left_out(parameter: Parameter, environment: Mapping[str, str]) -> Any:
    spec = parameter.spec
    assert isinstance(spec, Option)
    if spec.env is not None and environment.get(spec.env):
        return _value(parameter, spec.env, environment[spec.env])
    if spec.fallback is not None:
        return spec.fallback()
    if parameter.is_required:
        raise UsageError(f"{parameter.names[0]} is missing")
    return parameter.default


def _value(parameter: Parameter, name: str, text: str) -> Any:
    """One value of the parameter's kind."""
    if parameter.choices and text not in parameter.choices:
        raise UsageError(f"{name} {text}: one of {', '.join(parameter.choices)}")
    if parameter.kind is Path:
        return Path(text)
    if parameter.kind not in (int, float):
        return text
    try:
        number = parameter.kind(text)
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        wanted = "a whole number" if parameter.kind is int else "a number"
        raise UsageError(f"{name} {text}: not {wanted}") from None
    spec = parameter.spec
    if isinstance(spec, Option):
        if spec.min is not None and not number >= spec.min:
            raise UsageError(f"{name} {text}: at least {spec.min:g}")
        if spec.max is not None and number > spec.max:
            raise UsageError(f"{name} {text}: at most {spec.max:g}")
    return number
