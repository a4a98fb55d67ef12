"""Clusters by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.profiles import bootstrap_of_profile
from referee import Odradek
from tests.cli.commands import Run, call


def written(directory: Path, text: str) -> dict[str, str]:
    """An environment in which that is the file."""
    path = directory / "odradek" / "config.toml"
    path.parent.mkdir()
    path.write_text(text)
    return {"XDG_CONFIG_HOME": str(directory)}


TWO = """
default = "test"
[profiles.test]
bootstrap-server = "h:1"
[profiles.production]
bootstrap-server = "h:2,h:3"
"""


def test_a_profile_is_taken_by_its_name_or_by_default(tmp_path: Path) -> None:
    environment = written(tmp_path, TWO)
    assert bootstrap_of_profile(environment) == "h:1"
    assert bootstrap_of_profile({**environment, "ODRADEK_PROFILE": "production"}) == "h:2,h:3"


def test_without_a_file_or_a_default_there_is_none(tmp_path: Path) -> None:
    assert bootstrap_of_profile({"XDG_CONFIG_HOME": str(tmp_path)}) is None
    assert bootstrap_of_profile(written(tmp_path, "[profiles.a]\nbootstrap-server = 'h:1'")) is None


@pytest.mark.parametrize(
    ("text", "name", "error", "said"),
    [
        (TWO, "tset", UsageError, r"there is no profile tset \(did you mean test\?\)"),
        ("", "test", UsageError, "there is no profile test"),
        ("profiles = 5", "test", UsageError, "there is no profile test"),
        ("[profiles.test]", "test", Failed, "has no bootstrap-server"),
        ("[profiles]\ntest = 5", "test", Failed, "has no bootstrap-server"),
        ("[", "test", Failed, "config.toml"),
    ],
)
def test_what_is_wrong_with_a_profile_is_one_sentence(
    tmp_path: Path, text: str, name: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        bootstrap_of_profile({**written(tmp_path, text), "ODRADEK_PROFILE": name})


def test_the_command_takes_a_profile_before_its_name(
    broker: Odradek, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("topic", "create", "of-a-profile")
    where = written(tmp_path, f"[profiles.here]\nbootstrap-server = '{broker.bootstrap}'")
    monkeypatch.setenv("XDG_CONFIG_HOME", where["XDG_CONFIG_HOME"])
    monkeypatch.setenv("ODRADEK_PROFILE", "nobody")
    assert "of-a-profile" in call("--profile", "here", "topic", "list").stdout
    assert "of-a-profile" in call("--profile=here", "topic", "list").stdout
    assert call("--profile").code == 2
    assert call("--profile", "gone", "topic", "list").code == 2
