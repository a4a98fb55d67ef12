"""Requests of a share session made, and answers taken in: lists of calls."""

from __future__ import annotations

import pytest

from odradek import CorruptRecords
from odradek.errors import BadAnswer
from odradek.protocol.messages.share_fetch import AcquiredRecords, PartitionData
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record as RecordToSend
from odradek.protocol.topic_partition import TopicPartition
from odradek.share.arrivals import arrivals_of
from odradek.share.config import ShareConsumerConfig
from odradek.share.session import ShareSession
from odradek.share.verdicts import Run, Verdict, Verdicts

A, B = (b"a" * 16, 0), (b"b" * 16, 3)
WHERE = TopicPartition("t", 0)


def session() -> ShareSession:
    return ShareSession("g", "m", ShareConsumerConfig())


def named(request: object) -> list[tuple[bytes, int]]:
    return [(t.topic_id, p.partition_index) for t in request.topics for p in t.partitions]  # type: ignore[attr-defined]


def test_verdicts_are_told_in_runs_and_the_last_word_counts() -> None:
    verdicts = Verdicts()
    verdicts.say(A, [3, 1, 2, 7], Verdict.ACCEPT)
    verdicts.say(A, [4], Verdict.REJECT)
    verdicts.say(A, [2], Verdict.RELEASE)
    verdicts.say(B, [], Verdict.ACCEPT)
    accept, release, reject = Verdict.ACCEPT, Verdict.RELEASE, Verdict.REJECT
    assert verdicts.take() == {
        A: [Run(1, 1, accept), Run(2, 2, release), Run(3, 3, accept), Run(4, 4, reject), Run(7, 7, accept)]
    }
    assert not verdicts


def test_a_session_names_a_partition_once_and_says_when_it_is_wanted_no_longer() -> None:
    opened = session()
    assert named(opened.fetch([A, B], {})) == [A, B]
    again = opened.fetch([A, B], {})
    assert (again.share_session_epoch, named(again)) == (1, [])
    less = opened.fetch([B], {})
    assert [(each.topic_id, list(each.partitions)) for each in less.forgotten_topics_data] == [(A[0], [A[1]])]


def test_what_is_said_of_a_partition_that_is_not_wanted_names_and_forgets_it() -> None:
    opened = session()
    opened.fetch([A], {})
    request = opened.fetch([A], {B: [Run(1, 2, Verdict.ACCEPT)]})
    assert named(request) == [B]
    assert [(each.topic_id, list(each.partitions)) for each in request.forgotten_topics_data] == [(B[0], [B[1]])]


def test_a_partition_that_was_forgotten_is_named_again_though_something_was_said_of_it_meanwhile() -> None:
    opened = session()
    opened.fetch([A, B], {})
    opened.fetch([B], {})
    opened.acknowledge({A: [Run(1, 2, Verdict.ACCEPT)]})
    assert named(opened.fetch([A, B], {})) == [A]


def test_a_session_that_is_lost_begins_with_all_partitions_again() -> None:
    opened = session()
    opened.fetch([A], {})
    opened.acknowledge({A: [Run(1, 1, Verdict.ACCEPT)]})
    assert opened.is_open
    opened.begin_anew()
    assert not opened.is_open
    request = opened.fetch([A], {})
    assert (request.share_session_epoch, named(request)) == (0, [A])


def test_renewal_is_announced_and_the_last_request_ends_the_session() -> None:
    opened = session()
    opened.fetch([A], {})
    assert opened.acknowledge({A: [Run(1, 1, Verdict.RENEW)]}).is_renew_ack
    last = opened.acknowledge({}, is_last=True)
    assert (last.share_session_epoch, last.is_renew_ack) == (-1, False)


def data(*acquired: tuple[int, int, int], spoil: bool = False) -> PartitionData:
    """Two batches: offsets 0 to 2, and 5."""
    first = build_batch([RecordToSend(timestamp=1, value=b"%d" % offset) for offset in range(3)])
    second = build_batch([RecordToSend(timestamp=1, value=b"5")], base_offset=5)
    if spoil:
        second[-1] ^= 1
    return PartitionData(
        records=memoryview(bytes(first + second)), acquired_records=[AcquiredRecords(*a) for a in acquired]
    )


def test_records_that_are_not_ours_are_left_out_and_offsets_without_records_are_gaps() -> None:
    records, gaps = arrivals_of(WHERE, data((1, 3, 2), (5, 5, 1)), 1 << 20)
    assert [(each.record.offset, each.record.value, each.delivery_count) for each in records] == [
        *((1, b"1", 2), (2, b"2", 2), (5, b"5", 1))
    ]
    assert gaps == [3]


def test_damage_is_told() -> None:
    with pytest.raises(CorruptRecords):
        arrivals_of(WHERE, data((0, 5, 1), spoil=True), 1 << 20)


def test_more_offsets_than_any_batch_has_are_refused_before_they_take_memory() -> None:
    with pytest.raises(BadAnswer, match="1000001 offsets"):
        arrivals_of(WHERE, data((0, 1_000_000, 1)), 1 << 20)
