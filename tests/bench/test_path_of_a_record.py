"""The account of where a record's time goes: its marks are where it says, and its steps add up."""

from __future__ import annotations

import pytest

pytest.importorskip("confluent_kafka")

from benchmarks.path import ALONE, CLIENT, FOLLOWER, LEADER, REPLICATED, durations
from benchmarks.path_probe import MARKS, SCHEDULED, WOKEN, Mark, When, found, put

STEPS = [(LEADER, "woken"), (LEADER, "appended"), (FOLLOWER, "asked"), (LEADER, "sent"), (CLIENT, "answered")]


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: f"{mark.name}")
def test_every_mark_has_its_place_in_the_broker(mark: Mark) -> None:
    found(mark)


def test_every_step_ends_at_a_mark() -> None:
    known = {WOKEN, SCHEDULED, "answered", *(mark.name for mark in MARKS)}
    assert {mark for steps in (*ALONE.values(), *REPLICATED.values()) for _, mark in steps} <= known


def test_the_steps_of_a_record_add_up_and_the_slower_follower_counts() -> None:
    leader = {"woken": [5, 110], "appended": [20, 120], "sent": [60, 190]}
    fast, slow = {"asked": [30, 130]}, {"asked": [40, 150]}
    assert durations(STEPS, (100, 200), {LEADER: leader}, [fast, slow]) == [10, 10, 30, 40, 10]


def test_who_was_awake_has_not_been_woken() -> None:
    leader = {"woken": [5, 130], "appended": [120], "sent": [190]}
    assert durations(STEPS, (100, 200), {LEADER: leader}, [{"asked": [150]}]) == [0, 20, 30, 40, 10]


def test_a_record_that_passes_a_mark_too_late_is_not_followed() -> None:
    leader = {"woken": [], "appended": [120], "sent": [190]}
    assert durations(STEPS, (100, 200), {LEADER: leader}, [{"asked": [250]}]) is None


class Place:
    """Where a mark may be put."""

    @staticmethod
    def give(what: int | None) -> int | None:
        return what

    @staticmethod
    async def wait() -> str:
        return "waited"


async def test_a_mark_notes_the_time_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "give", Place.give)
    monkeypatch.setattr(Place, "wait", Place.wait)
    given: list[int] = []
    waited: list[int] = []
    put(Mark("", f"{__name__}:Place.give", When.GIVEN), given.append)
    put(Mark("", f"{__name__}:Place.wait", When.BEGUN), waited.append)
    put(Mark("", f"{__name__}:Place.wait", When.DONE), waited.append)
    assert Place.give(None) is None
    assert Place.give(1) == 1
    assert await Place.wait() == "waited"
    assert (len(given), len(waited)) == (1, 2)
    assert waited == sorted(waited)
