"""What PyPI shows of a distribution leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOMEWHERE = "https://host.example/owner/odradek"

pytest.importorskip("hatchling")
_spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
assert _spec is not None and _spec.loader is not None
hatch_build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hatch_build)


def said(monkeypatch: pytest.MonkeyPatch, repository: str | None) -> dict[str, object]:
    """What the hook adds to the metadata of version 1.2.3."""
    monkeypatch.delenv(hatch_build.VARIABLE, raising=False)
    if repository is not None:
        monkeypatch.setenv(hatch_build.VARIABLE, repository)
    metadata: dict[str, object] = {"version": "1.2.3"}
    hatch_build.LinksHook(str(ROOT), {}).update(metadata)
    return metadata


def links_of(metadata: dict[str, object]) -> list[str]:
    readme = metadata["readme"]
    assert isinstance(readme, dict)
    return re.findall(r"\]\(([^)]+)\)", readme["text"])


def test_every_link_of_the_readme_is_absolute_and_leads_to_a_file_of_the_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = links_of(said(monkeypatch, SOMEWHERE + "/"))
    assert all(link.startswith("https://") for link in links)
    files = [link.removeprefix(f"{SOMEWHERE}/blob/v1.2.3/") for link in links if link.startswith(SOMEWHERE)]
    assert len(files) > 10
    assert [each for each in files if not (ROOT / each.partition("#")[0]).exists()] == []


def test_homepage_documentation_changelog_and_issues_have_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, SOMEWHERE)["urls"] == {
        "Homepage": SOMEWHERE,
        "Documentation": f"{SOMEWHERE}/blob/v1.2.3/docs/index.md",
        "Changelog": f"{SOMEWHERE}/blob/v1.2.3/CHANGELOG.md",
        "Issues": f"{SOMEWHERE}/issues",
    }


def test_who_builds_without_an_address_gets_none_and_the_readme_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = said(monkeypatch, None)
    assert metadata["urls"] == {}
    assert metadata["readme"] == {"content-type": "text/markdown", "text": (ROOT / "README.md").read_text("utf-8")}
