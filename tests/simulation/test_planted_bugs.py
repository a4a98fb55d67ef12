"""The bugs can be planted: the sources are still such as they are written for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bugs import BUGS, Bug
from planted_bugs import BROKER, ROOT, plant


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_fits_the_sources_and_compiles(bug: Bug, tmp_path: Path) -> None:
    for edit in bug.edits:
        (tmp_path / edit.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / BROKER / edit.file, tmp_path / edit.file)
    before = {edit.file: (tmp_path / edit.file).read_text() for edit in bug.edits}
    plant(bug, tmp_path)
    assert all((tmp_path / file).read_text() != source for file, source in before.items())


def test_there_are_as_many_as_we_say_and_each_has_a_name_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 60
