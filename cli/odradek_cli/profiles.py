"""Clusters by name: a file of the person's own says where the brokers of each are.

default = "test"

[profiles.test]
bootstrap-server = "10.0.0.1:9092,10.0.0.2:9092"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.parsing import guess
from odradek_cli.variables import PROFILE_VARIABLE

KEY = "bootstrap-server"


def path_in(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "odradek" / "config.toml"


def bootstrap_of_profile(environment: Mapping[str, str]) -> str | None:
    """Of the profile that the environment names, else of the file's default; None where there is neither.

    Raises UsageError for a profile that is not there, Failed for a file that cannot be understood.
    """
    path = path_in(environment)
    content = _read(path)
    found = content.get("profiles")
    profiles = found if isinstance(found, dict) else {}
    name = environment.get(PROFILE_VARIABLE) or content.get("default")
    if not name:
        return None
    if name not in profiles:
        raise UsageError(f"there is no profile {name}{guess(str(name), profiles)} in {path}")
    bootstrap = profiles[name].get(KEY) if isinstance(profiles[name], dict) else None
    if not isinstance(bootstrap, str):
        raise Failed(f"{path}: the profile {name} has no {KEY}")
    return bootstrap


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failed(f"{path}: {error}") from None
