"""Clusters by name: a file of the person's own says where the brokers of each are, and how to speak with them.

default = "test"

[profiles.test]
bootstrap-server = "10.0.0.1:9092,10.0.0.2:9092"
security-protocol = "SASL_SSL"
ssl-ca-file = "ca.pem"
sasl-username = "alice"
sasl-password = "..."

The keys are the client's settings (odradek.Security). A name with a slash in it, or one that ends in .toml, is that of
a file with one profile, such as `odradek up --secure` writes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from odradek.security import Security
from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.parsing import guess
from odradek_cli.variables import PROFILE_VARIABLE

KEY = "bootstrap-server"
FILES = ("ssl-ca-file", "ssl-cert-file", "ssl-key-file")
SETTINGS = {name.replace("_", "-"): name for name in Security.__struct_fields__ if name != "ssl_context"}


class Profile(msgspec.Struct, frozen=True):
    bootstrap: str
    security: Security


def path_in(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "odradek" / "config.toml"


def profile_in(environment: Mapping[str, str]) -> Profile | None:
    """The profile that the environment names, else the file's default; None where there is neither.

    Raises UsageError for a profile that is not there, Failed for a file that cannot be understood.
    """
    named = environment.get(PROFILE_VARIABLE) or ""
    if "/" in named or named.endswith(".toml"):
        return read_profile(Path(named))
    path = path_in(environment)
    content = _read(path)
    found = content.get("profiles")
    profiles = found if isinstance(found, dict) else {}
    name = named or content.get("default")
    if not name:
        return None
    if name not in profiles:
        raise UsageError(f"there is no profile {name}{guess(str(name), profiles)} in {path}")
    return _profile(profiles[name], f"{path}: the profile {name}", path.parent)


def read_profile(path: Path) -> Profile:
    """Of a file that is one. Raises UsageError where there is none, Failed where it cannot be understood."""
    if not path.exists():
        raise UsageError(f"there is no profile {path}")
    return _profile(_read(path), str(path), path.parent)


def _profile(content: Any, what: str, directory: Path) -> Profile:
    """Names of files in it are relative to its directory."""
    bootstrap = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(bootstrap, str):
        raise Failed(f"{what} has no {KEY}")
    given = {key: value for key, value in content.items() if key != KEY}
    unknown = next((key for key in given if key not in SETTINGS), None)
    if unknown is not None:
        raise Failed(f"{what} has {unknown}, which is no setting{guess(unknown, SETTINGS)}")
    given |= {key: str(directory / given[key]) for key in FILES if isinstance(given.get(key), str)}
    try:
        return Profile(bootstrap, Security(**{SETTINGS[key]: value for key, value in given.items()}))
    except ValueError as error:
        raise Failed(f"{what}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failed(f"{path}: {error}") from None
