"""What a shell is offered for the word that is being written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from odradek_cli.completion import SCRIPTS, candidates, install
from odradek_cli.main import ALIASES, COMMANDS, find
from referee import Odradek
from tests.cli.commands import Run, call

NAMES = {
    "topic": ["orders", "orders-dead"],
    "group": ["billing"],
    "node": ["0", "controller"],
    "fault": ["kill-leader"],
}


def offered(*words: str) -> list[str]:
    def names(kind: str, before: Sequence[str]) -> list[str]:
        return NAMES[kind]

    return candidates(words, [*COMMANDS, *ALIASES], lambda name: find(ALIASES.get(name, name)), names)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["top"], ["topic"]),
        (["--v"], ["--version"]),
        (["con"], ["consume"]),
        (["topic", "de"], ["delete", "describe"]),
        (["topic", "describe", ""], ["orders", "orders-dead"]),
        (["topic", "describe", "--js"], ["--json"]),
        (["tail", "orders", "orders-"], ["orders-dead"]),
        (["tail", "-n", "5", "o"], ["orders", "orders-dead"]),
        (["tail", "orders", "--no"], ["--no-follow"]),
        (["tail", "orders", "--from", "e"], []),
        (["produce", "orders", "-z", "z"], ["zstd"]),
        (["group", "describe", ""], ["billing"]),
        (["node", "kill", "c"], ["controller"]),
        (["chaos", "--fault", ""], ["kill-leader"]),
        (["nonsense", ""], []),
        (["topic", "nonsense", ""], []),
    ],
)
def test_a_word_is_completed_by_what_may_stand_there(words: list[str], expected: list[str]) -> None:
    assert offered(*words) == expected


def test_names_come_from_the_broker_that_the_words_name(run: Run, broker: Odradek) -> None:
    run("topic", "create", "to-be-completed")
    done = call("--complete", "tail", "-b", broker.bootstrap, "to-be-c")
    assert done.stdout == "to-be-completed\n"


def test_where_nobody_answers_nothing_is_offered_and_nothing_said() -> None:
    assert call("--complete", "tail", "-b", "127.0.0.1:1", "") == (0, "\n", "")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_lies_where_the_shell_finds_it(tmp_path: Path, shell: str) -> None:
    assert install(shell, tmp_path).read_text() == SCRIPTS[shell]
    assert call("--show-completion", shell).stdout == SCRIPTS[shell]


def test_a_shell_that_is_not_known_is_refused() -> None:
    assert call("--show-completion", "tcsh").code == 2


def test_bash_understands_its_script() -> None:
    program = f"""
odradek() {{ {sys.executable} -m odradek_cli "$@"; }}
{SCRIPTS["bash"]}
COMP_WORDS=(odradek topic cre) COMP_CWORD=2
_odradek
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "create\n"
