"""Clusters by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek import Security
from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.profiles import profile_in
from odradek_cli.session import security_for
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
    assert bootstrap_in(environment) == "h:1"
    assert bootstrap_in({**environment, "ODRADEK_PROFILE": "production"}) == "h:2,h:3"


def bootstrap_in(environment: dict[str, str]) -> str:
    profile = profile_in(environment)
    assert profile is not None and profile.security == Security()
    return profile.bootstrap


SECURE = """
bootstrap-server = "h:1"
security-protocol = "SASL_SSL"
ssl-ca-file = "ca.pem"
sasl-username = "alice"
sasl-password = "wonder"
"""


def test_a_profile_says_how_to_speak_and_as_whom_with_files_beside_it(tmp_path: Path) -> None:
    environment = written(tmp_path, f"default = 'a'\n[profiles.a]{SECURE}")
    named = profile_in(environment)
    alone = tmp_path / "client.toml"
    alone.write_text(SECURE)
    by_file = profile_in({"ODRADEK_PROFILE": str(alone)})
    assert named is not None and by_file is not None
    assert named.security.ssl_ca_file == str(tmp_path / "odradek" / "ca.pem")
    assert by_file.security.ssl_ca_file == str(tmp_path / "ca.pem")
    for profile in (named, by_file):
        assert (profile.security.sasl_username, profile.security.sasl_password) == ("alice", "wonder")
        assert "wonder" not in repr(profile)


def test_a_profile_that_is_only_the_default_does_not_hold_for_other_brokers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = written(tmp_path, f"default = 'a'\n[profiles.a]{SECURE}")
    monkeypatch.setenv("XDG_CONFIG_HOME", environment["XDG_CONFIG_HOME"])
    monkeypatch.delenv("ODRADEK_PROFILE", raising=False)
    assert security_for("h:1").sasl_username == "alice"
    assert security_for("other:1") == Security()
    monkeypatch.setenv("ODRADEK_PROFILE", "a")
    assert security_for("other:1").sasl_username == "alice"


def test_without_a_file_or_a_default_there_is_none(tmp_path: Path) -> None:
    assert profile_in({"XDG_CONFIG_HOME": str(tmp_path)}) is None
    assert profile_in(written(tmp_path, "[profiles.a]\nbootstrap-server = 'h:1'")) is None


@pytest.mark.parametrize(
    ("text", "name", "error", "said"),
    [
        (TWO, "tset", UsageError, r"there is no profile tset \(did you mean test\?\)"),
        ("", "test", UsageError, "there is no profile test"),
        ("profiles = 5", "test", UsageError, "there is no profile test"),
        ("[profiles.test]", "test", Failed, "has no bootstrap-server"),
        ("[profiles]\ntest = 5", "test", Failed, "has no bootstrap-server"),
        ("[", "test", Failed, "config.toml"),
        (
            "[profiles.test]\nbootstrap-server='h:1'\nsasl-user='a'",
            "test",
            Failed,
            r"no setting \(did you mean sasl-user",
        ),
        ("[profiles.test]\nbootstrap-server='h:1'\nsecurity-protocol='TLS'", "test", Failed, "use one of PLAINTEXT"),
    ],
)
def test_what_is_wrong_with_a_profile_is_one_sentence(
    tmp_path: Path, text: str, name: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        profile_in({**written(tmp_path, text), "ODRADEK_PROFILE": name})


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
