"""A command as its function says it: every parameter is an argument or an option of the command line.

    def tail(
        topics: Annotated[list[str], Argument("One topic or more.", completes="topic")],
        last: Annotated[int | None, Option("--last", "-n", min=1, help="The newest so many records.")] = None,
    ) -> None:
        "Show records and follow what comes."

Types are str, int, float, Path and a Literal of words; a list of one of them, for what may be repeated; or bool, for a
switch, which has a --no- form where it is not simply off when left out. What may be left out has a default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

Completes = Literal["topic", "group", "transaction", "node", "fault", "file"]
"""What a word names, for whoever completes it."""


class UsageError(Exception):
    """What was typed is no use of the command: exit code 2, and this is the line that says why."""


class Argument:
    """A word in its place."""

    def __init__(self, help: str, *, metavar: str | None = None, completes: Completes | None = None) -> None:
        self.help = help
        self.metavar = metavar
        self.completes = completes


class Option:
    """A word that begins with a dash, and mostly one behind it."""

    def __init__(
        self,
        *names: str,
        help: str = "",
        metavar: str | None = None,
        min: float | None = None,
        max: float | None = None,
        env: str | None = None,
        fallback: Callable[[], Any] | None = None,
        completes: Completes | None = None,
    ) -> None:
        """Without names it is called as the parameter is. Left out, it is what the variable `env` says, or `fallback`.

        `min` and `max` bound a number.
        """
        self.names = names
        self.help = help
        self.metavar = metavar
        self.min = min
        self.max = max
        self.env = env
        self.fallback = fallback
        self.completes = completes


class Parameter(Struct, frozen=True):
    """One parameter of a command's function."""

    name: str
    spec: Argument | Option
    kind: type
    """Of one value."""
    choices: tuple[str, ...]
    is_list: bool
    default: Any
    """`inspect.Parameter.empty` where there has to be one."""

    @property
    def is_required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def is_switch(self) -> bool:
        return self.kind is bool

    @property
    def names(self) -> tuple[str, ...]:
        """How an option is written, the long name first."""
        assert isinstance(self.spec, Option)
        return self.spec.names or ("--" + self.name.replace("_", "-"),)

    @property
    def denial(self) -> str | None:
        """The --no- form of a switch that has one."""
        return "--no-" + self.names[0].removeprefix("--") if self.is_switch and self.default is not False else None

    @property
    def metavar(self) -> str:
        """What stands for its value in a help text."""
        if self.spec.metavar is not None:
            return self.spec.metavar
        if self.choices:
            return "|".join(self.choices)
        if isinstance(self.spec, Argument):
            return self.name.upper()
        return {int: "N", float: "N", Path: "PATH"}.get(self.kind, "TEXT")


class Command(Struct, frozen=True):
    """A function, and how its parameters are written."""

    path: str
    """As it is typed, such as "odradek topic create"."""
    function: Callable[..., None]
    parameters: tuple[Parameter, ...]

    @property
    def help(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def arguments(self) -> list[Parameter]:
        return [each for each in self.parameters if isinstance(each.spec, Argument)]

    @property
    def options(self) -> list[Parameter]:
        return [each for each in self.parameters if isinstance(each.spec, Option)]


class Group:
    """Commands under one name."""

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.functions: dict[str, Callable[..., None]] = {}

    def command(self, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Make a function one of the group's commands."""

        def register(function: Callable[..., None]) -> Callable[..., None]:
            self.functions[name or function.__name__] = function
            return function

        return register


def command_of(path: str, function: Callable[..., None]) -> Command:
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function).parameters
    return Command(path, function, tuple(_parameter(name, hints, each.default) for name, each in signature.items()))


def _parameter(name: str, hints: Mapping[str, Any], default: Any) -> Parameter:
    hint, spec = hints[name], None
    if get_origin(hint) is Annotated:
        hint, spec = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        hint = next(each for each in get_args(hint) if each is not NoneType)
    is_list = get_origin(hint) is list
    if is_list:
        hint = get_args(hint)[0]
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind = str if choices else hint
    return Parameter(name, Option() if spec is None else spec, kind, choices, is_list, default)
