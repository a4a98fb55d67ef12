"""Each checker sees what it is there for, and nothing in a history that is fine."""

from __future__ import annotations

from typing import Any

import pytest

from odradek.testing.chaos.checkers import Promise, check, longest_silence_s
from odradek.testing.chaos.history import Commit, Committed, Fault, History, Outcome, Read, Write


def write(number: int, offset: int = -1, outcome: Outcome = Outcome.OK, writer: str = "w") -> Write:
    return Write(writer, number, 0, f"{writer}-{number}", number, number + 0.5, outcome, offset)


def read(*pairs: tuple[int, str], reader: str = "r", final: bool = False) -> Read:
    return Read(reader, 0, 0.0, [offset for offset, _ in pairs], [value for _, value in pairs], final)


def everything(*values: str) -> Read:
    return read(*enumerate(values), reader="drain", final=True)


FINE = [write(0, 0), write(1, 1), write(2, 2)]


def names(writes: list[Write], *reads: Read, **promise: Any) -> dict[str, bool]:
    """What is found, and whether it is bad."""
    return {each.name: each.bad for each in check(History(writes, list(reads)), Promise(**promise))}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    first, second = read((0, "w-0"), (1, "w-1")), read((2, "w-2"))
    assert names(FINE, first, second, everything("w-0", "w-1", "w-2")) == {}


@pytest.mark.parametrize(
    ("name", "writes", "reads"),
    [
        ("lost-write", FINE, [everything("w-0", "w-1")]),
        ("bogus-offset", [write(0, 0), write(1, 7)], [everything("w-0", "w-1")]),
        ("duplicate", FINE, [everything("w-0", "w-1", "w-2", "w-1")]),
        ("inconsistent-offsets", FINE, [everything("w-0", "w-1", "w-2"), read((1, "w-2"))]),
        ("phantom", FINE, [everything("w-0", "w-1", "w-2", "x-9")]),
        ("aborted-read", [write(0, outcome=Outcome.FAIL)], [everything("w-0")]),
        ("nonmonotonic-poll", FINE, [read((0, "w-0"), (1, "w-1")), read((1, "w-1")), everything("w-0", "w-1", "w-2")]),
        ("poll-skip", FINE, [read((0, "w-0")), read((2, "w-2")), everything("w-0", "w-1", "w-2")]),
        ("nonmonotonic-send", [write(0, 1), write(1, 0)], [everything("w-1", "w-0")]),
    ],
)
def test_what_is_wrong_is_found_under_its_name_and_is_bad(name: str, writes: list[Write], reads: list[Read]) -> None:
    assert names(writes, *reads)[name]


def test_gaps_that_nobody_has_ever_seen_a_record_in_are_no_skips() -> None:
    """Markers of transactions take offsets."""
    log = [(0, "w-0"), (2, "w-1")]
    assert names([write(0, 0), write(1, 2)], read(*log), read(*log, reader="drain", final=True)) == {}


def test_what_was_not_promised_is_noted_only() -> None:
    assert names(FINE, everything("w-0", "w-1"), durable=False, idempotent=False) == {"lost-write": False}
    twice = everything("w-0", "w-1", "w-2", "w-1")
    assert names(FINE, twice, idempotent=False) == {"duplicate": False}
    unknown = names([write(0, outcome=Outcome.INFO)], everything("w-0"))
    assert unknown == {"unacknowledged-write": False}


def test_the_longest_silence_is_between_two_acknowledgements() -> None:
    history = History([write(0, 0), write(1, 1), write(9, 2), write(10, 3)])
    assert longest_silence_s(history, ("", 0), until_s=11.0) == (8.0, 1.5)


def test_a_silence_until_the_end_counts_and_so_does_one_of_a_whole_run() -> None:
    history = History([write(0, 0), write(1, 1), write(9, 2), write(10, 3)])
    assert longest_silence_s(history, ("", 0), until_s=60.0) == (49.5, 10.5)
    assert longest_silence_s(History(), ("", 0), until_s=60.0) == (60.0, 0.0)


def test_a_partition_that_takes_nothing_when_all_is_healed_is_bad() -> None:
    last = Write("last", 0, 0, "last-0", 61.0, 121.0, Outcome.INFO, error="timed out")
    (anomaly,) = check(History([last]), Promise())
    assert (anomaly.name, anomaly.bad) == ("unavailable", True)


def test_an_offset_below_one_that_was_acknowledged_before_it_was_asked_for_is_a_lost_commit() -> None:
    commits = [Commit("g", "t", 0, offset, sent_s=at, done_s=at + 1.0) for at, offset in ((0.0, 5), (2.0, 9))]

    def found(offset: int, sent_s: float) -> list[str]:
        asked = [Committed("g", "t", 0, offset, sent_s), Committed("g", "t", 1, -1, sent_s)]
        return [each.name for each in check(History(commits=commits, committed=asked), Promise(durable=False))]

    assert found(5, sent_s=2.5) == [], "the second commit may or may not have been made"
    assert found(9, sent_s=2.5) == []
    assert found(5, sent_s=3.5) == ["lost-commit"]
    assert found(4, sent_s=2.5) == ["lost-commit"]
    assert found(-1, sent_s=0.5) == []


def test_the_same_partition_of_two_topics_is_two_places() -> None:
    writes = [write(0, 0), write(1, 0)]
    writes[1].topic = "other"
    reads = [everything("w-0"), everything("w-1")]
    reads[1].topic = "other"
    assert names(writes, *reads) == {}


def test_what_is_left_of_a_topic_that_was_deleted_is_bad() -> None:
    (anomaly,) = check(History(faults=[Fault("remains", "t", 3.0)]), Promise())
    assert (anomaly.name, anomaly.bad) == ("remains", True)


@pytest.mark.parametrize("kind", ["trespass", "shut-out"])
def test_who_is_let_do_what_is_not_permitted_or_not_what_is_is_bad(kind: str) -> None:
    (anomaly,) = check(History(faults=[Fault(kind, "somebody", 3.0)]), Promise())
    assert (anomaly.name, anomaly.bad) == (kind, True)


def test_a_node_that_ended_by_itself_is_bad() -> None:
    (anomaly,) = check(History(faults=[Fault("crash", "broker-1", 3.0)]), Promise(durable=False))
    assert (anomaly.name, anomaly.bad) == ("crash", True)
