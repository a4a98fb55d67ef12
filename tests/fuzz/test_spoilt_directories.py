"""Whatever has become of the files in its data directory, a broker lives or says why not, and hides no loss.

`make fuzz` goes on with other cases: one for each FRAMES_A_CASE of ODRADEK_FUZZ_CASES.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.fuzz.spoilt_directories import Directory, leave, play

FEW = 12
FRAMES_A_CASE = 500
MANY = int(os.environ.get("ODRADEK_FUZZ_CASES", "1000000")) // FRAMES_A_CASE


@pytest.fixture
async def left(tmp_path: Path) -> tuple[Directory, Directory]:
    """By a clean stop, and by a kill."""
    return await leave(tmp_path / "clean", clean=True), await leave(tmp_path / "killed", clean=False)


async def _played(left: tuple[Directory, Directory], path: Path, numbers: range) -> list[str]:
    logging.getLogger("odradek_broker").propagate = False
    try:
        return [wrong for number in numbers for wrong in await play(left[number % 2], path / str(number), number)]
    finally:
        logging.getLogger("odradek_broker").propagate = True


@pytest.mark.slow
async def test_a_broker_on_a_spoilt_directory_hides_nothing(left: tuple[Directory, Directory], tmp_path: Path) -> None:
    assert await _played(left, tmp_path, range(FEW)) == []


@pytest.mark.soak
async def test_a_broker_on_very_many_spoilt_directories_hides_nothing(
    left: tuple[Directory, Directory], tmp_path: Path
) -> None:
    assert await _played(left, tmp_path, range(FEW, MANY)) == []
