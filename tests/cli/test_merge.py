"""Several partitions in the order of their records' times."""

from __future__ import annotations

from odradek import Record, TopicPartition
from odradek_cli.filters import Raw
from odradek_cli.merge import QUEUED_RECORDS, Merge

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def records(partition: TopicPartition, *times: int, first: int = 0) -> list[Raw]:
    return [Record(*partition, first + i, at, None, b"") for i, at in enumerate(times)]


def times(merge: Merge) -> list[int]:
    return [record.timestamp for record in merge.take()]


def test_a_record_waits_until_no_partition_can_have_an_older_one() -> None:
    merge = Merge({A: 3, B: 3})
    merge.add(A, records(A, 1, 3, 5))
    assert times(merge) == []
    merge.add(B, records(B, 2, 4))
    assert times(merge) == [1, 2, 3, 4]  # B may yet have one before 5
    merge.add(B, records(B, 9, first=2))
    assert times(merge) == [5, 9]


def test_a_partition_at_its_end_is_waited_for_no_longer() -> None:
    merge = Merge({A: 2, B: 2})
    merge.add(A, records(A, 7, 8))
    merge.reached(B, 2)  # there were none, or others saw them to
    assert merge.behind == set()
    assert times(merge) == [7, 8]


def test_one_partition_is_given_out_as_it_is() -> None:
    merge = Merge({A: 3})
    merge.add(A, records(A, 5, 1))
    assert times(merge) == [5, 1]
    assert merge.behind == {A}


def test_a_partition_far_ahead_of_the_others_is_crowded() -> None:
    merge = Merge({A: QUEUED_RECORDS * 2, B: 1})
    merge.add(A, records(A, *range(QUEUED_RECORDS)))
    assert merge.take() == []
    assert merge.crowded() == [A]
