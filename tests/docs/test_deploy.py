"""What is packed beside the code says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from odradek_broker.config.load import COMMAND_LINE_VARIABLES, settings_in
from odradek_cli.completion import SCRIPTS
from odradek_cli.man_page import pages

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
WRITTEN_ANEW = "`make packed` writes it anew"
_variable = re.compile(r"\bODRADEK_[A-Z_]*[A-Z]\b")
_key = re.compile(r"^  ([a-z][a-z.]*\.[a-z.]+):", re.MULTILINE)


def test_the_manual_pages_say_what_the_commands_say_of_themselves() -> None:
    packed = {path.name: path.read_text() for path in (DEPLOY / "man").iterdir()}
    assert packed == dict(pages()), WRITTEN_ANEW


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_packed_completion_is_the_one_that_is_installed(shell: str) -> None:
    assert (DEPLOY / "completions" / f"odradek.{shell}").read_text() == SCRIPTS[shell], WRITTEN_ANEW


def deployed() -> dict[str, list[str]]:
    """Settings that are set for containers and pods, by the file that sets them."""
    files = [
        ROOT / "Dockerfile",
        ROOT / "docker-compose.yml",
        *sorted((DEPLOY / "helm/odradek/templates").glob("*.yaml")),
    ]
    found = {str(path.relative_to(ROOT)): sorted(set(_variable.findall(path.read_text()))) for path in files}
    values = (DEPLOY / "helm/odradek/values.yaml").read_text()
    found["values.yaml"] = ["ODRADEK_" + key.replace(".", "_").upper() for key in _key.findall(values)]
    return found


@pytest.mark.parametrize("file, variables", deployed().items())
def test_what_is_set_for_containers_and_pods_is_a_setting(file: str, variables: list[str]) -> None:
    assert variables, file
    others = [each for each in variables if each not in COMMAND_LINE_VARIABLES]
    assert [variable for variable in others if not settings_in({variable: ""})] == []
