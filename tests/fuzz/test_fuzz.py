"""Whatever a stranger asks, a broker lives, says nothing but what is so, and keeps what its neighbours have.

`make fuzz` goes on with other cases; ODRADEK_FUZZ_CASES says how many `make soak` takes. What it finds is kept in
corpus/ as the frames that did it, by the name of what went wrong, and gets a test of its own where the defect was.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odradek_broker.apis import load_apis
from tests.fuzz.doors import BEFORE_LOGIN, WITHOUT_RIGHTS, Door
from tests.fuzz.fuzzing import DESTRUCTIVE, Find, cases_for, fuzz, prepare, target
from tests.fuzz.hostile_cases import Frame

CORPUS = Path(__file__).parent / "corpus"
FEW = 1_000
MANY = int(os.environ.get("ODRADEK_FUZZ_CASES", "10000000"))
AT_ONCE = 1_000_000
"""Cases of one broker's life."""


def corpus() -> dict[str, list[Frame]]:
    """By name, the frames that have to be sent one after the other: a line of hexadecimal digits for each."""
    return {
        each.stem: [bytes.fromhex(line) for line in each.read_text().split()] for each in sorted(CORPUS.glob("*.hex"))
    }


async def test_what_was_once_found_is_found_no_more(tmp_path: Path) -> None:
    assert corpus()
    found = await fuzz(tmp_path, [frame for frames in corpus().values() for frame in frames])
    assert told(found) == []


async def test_a_broker_takes_no_harm_from_some_hostile_requests_and_records(tmp_path: Path) -> None:
    """Always the same ones."""
    assert told(await fuzz(tmp_path, numbers=range(FEW))) == []


@pytest.mark.parametrize("door", [BEFORE_LOGIN, WITHOUT_RIGHTS], ids=["before login", "without rights"])
async def test_nothing_is_changed_by_who_has_not_logged_in_or_has_no_right(tmp_path: Path, door: Door) -> None:
    assert told(await fuzz(tmp_path, numbers=range(FEW), door=door)) == []


@pytest.mark.soak
@pytest.mark.parametrize("door", [BEFORE_LOGIN, WITHOUT_RIGHTS], ids=["before login", "without rights"])
async def test_nothing_is_changed_by_very_many_frames_of_such_a_one(tmp_path: Path, door: Door) -> None:
    assert told(await fuzz(tmp_path, numbers=range(MANY // 10), learns=True, door=door)) == []


@pytest.mark.soak
async def test_a_broker_takes_no_harm_from_very_many_hostile_requests_and_records(tmp_path: Path) -> None:
    begin = 0
    while begin < MANY:
        numbers = range(begin, min(begin + AT_ONCE, MANY))
        assert told(await fuzz(tmp_path / str(begin), numbers=numbers, learns=True)) == [], numbers
        begin = numbers.stop


async def test_of_every_api_and_version_there_are_cases_and_a_number_is_always_the_same_one(tmp_path: Path) -> None:
    async with target(tmp_path) as served:
        await prepare(served)
        cases, again = cases_for(served), cases_for(served)
    frames = [cases.frame(number) for number in range(6_000)]
    assert frames[:50] == [again.frame(number) for number in range(50)]
    made = [frame for frame in frames if frame is not None]
    assert len(made) > 0.9 * len(frames)
    keys = {int.from_bytes(frame[:2], "big") for frame in made}
    assert keys >= {key for key, api in load_apis().items() if api.name not in DESTRUCTIVE}


def told(finds: list[Find]) -> list[str]:
    """What went wrong, and the frames of which some did it, ready to be put into the corpus."""
    return [each.said + "\n" + "\n".join(frame.hex() for frame in each.latest) for each in finds]
