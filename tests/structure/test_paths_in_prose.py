"""What ARCHITECTURE.md and CONTRIBUTING.md point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BELOW = (
    ROOT,
    ROOT / "broker/odradek_broker",
    ROOT / "client/odradek",
    ROOT / "cli/odradek_cli",
    ROOT / "tests/simulation",
)
INVENTED = {
    "coordinators/x.py",
    "coordinators/x_partition.py",
    "cli/odradek_cli/name.py",
    "client/odradek/protocol/messages/name.py",
}
"""In recipes: files that are to be made."""

_path = re.compile(r"`([\w./-]*[\w-]+(?:\.py|\.md|\.toml|/))`")


@pytest.mark.parametrize("prose", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(prose: str) -> None:
    named = {name for name in _path.findall((ROOT / prose).read_text("utf-8")) if "NN_name" not in name}
    missing = {name for name in named if not _is_there(name)} - INVENTED
    assert named and missing == set()


def _is_there(name: str) -> bool:
    """As it stands, or below a package; a bare name anywhere below one; with a pattern, if there is any such."""
    if any((base / name).exists() for base in BELOW):
        return True
    pattern = name if "*" in name else f"**/{name.rstrip('/')}"
    return any(any(base.glob(pattern)) for base in BELOW[1:])
