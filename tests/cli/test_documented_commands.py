"""Every command line in the documents is one that the command takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from odradek_cli.command import Group, command_of
from odradek_cli.main import ALIASES, find
from odradek_cli.parsing import arguments_of

ROOT = Path(__file__).parents[2]
ANYWHERE = {"ODRADEK_BOOTSTRAP_SERVER": "127.0.0.1:1"}
ALONE = ("--help", "--version", "--profile", "--install-completion", "--show-completion")
_beside = re.compile(r"\s{2,}|\s[<>|]\s")
"""Where an explanation begins, or what the shell does."""


def documented() -> list[str]:
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    joined = [re.sub(r"\\\n\s*", "", path.read_text()) for path in paths]
    lines = [line.strip() for text in joined for line in text.splitlines() if line.startswith("    odradek ")]
    return sorted({_beside.split(line.removeprefix("$ "))[0] for line in lines})


def test_there_are_documented_commands() -> None:
    assert len(documented()) > 30


@pytest.mark.parametrize("line", documented())
def test_a_documented_command_is_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    if words[0] in ALONE:
        return
    found = find(ALIASES.get(words[0], words[0]))
    function = found.functions[words.pop(1)] if isinstance(found, Group) else found
    assert arguments_of(command_of(line, function), words[1:], ANYWHERE)
