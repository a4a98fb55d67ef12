"""Words of the command line become the arguments of a function."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from odradek_cli.command import Argument, Group, Option, UsageError, command_of
from odradek_cli.help_text import help_of_command
from odradek_cli.main import COMMANDS, find, summary_of
from odradek_cli.parsing import HelpWanted, arguments_of


def example(
    topics: Annotated[list[str], Argument("Topics.")],
    last: Annotated[int | None, Option("--last", "-n", min=1, help="So many.")] = None,
    since: Annotated[str | None, Option("--from", help="A place [or a time].")] = None,
    follow: Annotated[bool | None, Option("--follow", "-f", help="Go on.")] = None,
    as_json: Annotated[bool, Option("--json", help="JSON.")] = False,
    header: Annotated[list[str] | None, Option("-H", "--header", help="Headers.")] = None,
    acks: Annotated[Literal["all", "1"], Option(help="Acks.")] = "all",
    rate: Annotated[float, Option(max=5, help="A rate.")] = 1.5,
    config: Annotated[Path | None, Option(help="A file.")] = None,
    where: Annotated[str, Option("-b", env="WHERE", fallback=lambda: "found", help="Where.")] = "",
) -> None:
    """Do something."""


DEFAULTS = {name: each.default for name, each in inspect.signature(example).parameters.items() if name != "topics"}
DEFAULTS["where"] = "found"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], {"topics": ["a"]}),
        (["a", "-n", "5", "b"], {"topics": ["a", "b"], "last": 5}),
        (["-n5", "a"], {"topics": ["a"], "last": 5}),
        (["--last=5", "a"], {"topics": ["a"], "last": 5}),
        (["a", "--from", "-10m"], {"topics": ["a"], "since": "-10m"}),
        (["a", "--from", ""], {"topics": ["a"], "since": ""}),
        (["a", "-f"], {"topics": ["a"], "follow": True}),
        (["a", "--no-follow"], {"topics": ["a"], "follow": False}),
        (["--json", "--", "--json"], {"topics": ["--json"], "as_json": True}),
        (["a", "-H", "x", "-Hy"], {"topics": ["a"], "header": ["x", "y"]}),
        (["a", "--acks", "1"], {"topics": ["a"], "acks": "1"}),
        (["a", "--rate", "2"], {"topics": ["a"], "rate": 2.0}),
        (["a", "--config", "x.toml"], {"topics": ["a"], "config": Path("x.toml")}),
        (["a", "-b", "there"], {"topics": ["a"], "where": "there"}),
    ],
)
def test_options_and_arguments_are_told_apart(words: list[str], expected: dict[str, Any]) -> None:
    assert arguments_of(command_of("x", example), words, {}) == {**DEFAULTS, **expected}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "TOPICS is missing"),
        (["a", "--lats", "5"], r"there is no option --lats \(did you mean --last\?\)"),
        (["a", "-x"], "there is no option -x"),
        (["a", "-n"], "requires argument"),
        (["a", "-n", "x"], "-n x: not a whole number"),
        (["a", "-n", "0"], "-n 0: at least 1"),
        (["a", "--rate", "6"], "--rate 6: at most 5"),
        (["a", "--rate", "nan"], "--rate nan: not a number"),
        (["a", "--acks", "2"], "--acks 2: one of all, 1"),
        (["a", "--json=yes"], "must not have an argument"),
    ],
)
def test_wrong_words_are_refused_by_name(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        arguments_of(command_of("x", example), words, {})


def test_what_is_left_out_comes_from_the_environment_first() -> None:
    assert arguments_of(command_of("x", example), ["a"], {"WHERE": "there"})["where"] == "there"
    assert arguments_of(command_of("x", example), ["a"], {"WHERE": ""})["where"] == "found"


def test_help_is_given_whatever_else_is_missing() -> None:
    with pytest.raises(HelpWanted):
        arguments_of(command_of("x", example), ["-h"], {})


def test_a_help_text_has_every_word_of_what_was_declared() -> None:
    text = help_of_command(command_of("odradek x", example), 80)
    for expected in (
        "Usage: odradek x [OPTIONS] TOPICS...",
        "-n, --last N",
        "A place [or a time].",
        "--no-follow",
        "[1.5]",
    ):
        assert expected in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name: str) -> None:
    found = find(name)
    functions = found.functions if isinstance(found, Group) else {name: found}
    for each in (command_of(name, function) for function in functions.values()):
        assert summary_of(each).endswith((".", ":", ";")) or "\n" in each.help, each.path
        assert all(parameter.spec.help for parameter in each.parameters), each.path
