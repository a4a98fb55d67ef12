"""Incremental fetch sessions by the rules of KIP-227."""

from __future__ import annotations

from random import Random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import (
    EpochEndOffset,
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
)
from odradek_broker.partitions.fetch_sessions import EVICT_AFTER_MS, MAX_EPOCH, FetchSession, FetchSessions

NOW = 1_000_000
MOST_PARTITIONS = 10


def request(
    session_id: int,
    epoch: int,
    *wanted: tuple[str, int, int],
    forget: tuple[tuple[str, int], ...] = (),
    replica: int = -1,
) -> FetchRequest:
    """`wanted`: topic, partition, offset."""
    return FetchRequest(
        replica_id=replica,
        session_id=session_id,
        session_epoch=epoch,
        topics=[
            FetchTopic(topic=topic, partitions=[FetchPartition(partition=index, fetch_offset=offset)])
            for topic, index, offset in wanted
        ],
        forgotten_topics_data=[ForgottenTopic(topic=topic, partitions=[index]) for topic, index in forget],
    )


def begin(sessions: FetchSessions, asked: FetchRequest, now_ms: int = NOW) -> FetchSession | ErrorCode | None:
    return sessions.begin(asked, by_id=False, now_ms=now_ms)


@pytest.fixture
def sessions() -> FetchSessions:
    return FetchSessions(2, MOST_PARTITIONS, Random(1))


def opened(sessions: FetchSessions, *wanted: tuple[str, int, int], now_ms: int = NOW) -> FetchSession:
    session = begin(sessions, request(0, 0, *wanted), now_ms)
    assert isinstance(session, FetchSession)
    return session


def test_a_session_remembers_what_was_asked_for_changed_and_forgotten(sessions: FetchSessions) -> None:
    session = opened(sessions, ("a", 0, 5), ("b", 1, 7))
    assert session.session_id > 0
    same = begin(sessions, request(session.session_id, 1, ("a", 0, 6), ("c", 2, 0), forget=(("b", 1),)))
    assert same is session
    offsets = {key: partition.fetch_offset for key, partition in session.wanted.items()}
    assert offsets == {("a", 0): 6, ("c", 2): 0}
    assert begin(sessions, request(session.session_id, 2)) is session
    assert len(session.wanted) == 2


def test_an_epoch_out_of_turn_and_an_unknown_session_are_refused(sessions: FetchSessions) -> None:
    session = opened(sessions, ("a", 0, 0))
    for epoch in (2, 7, -2):
        assert begin(sessions, request(session.session_id, epoch)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert begin(sessions, request(session.session_id + 1, 1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert begin(sessions, request(session.session_id, 1)) is session, "a refusal does not count"
    assert begin(sessions, request(session.session_id, 1)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH


def test_epochs_begin_again_at_one_behind_the_greatest(sessions: FetchSessions) -> None:
    session = opened(sessions, ("a", 0, 0))
    session.next_epoch = MAX_EPOCH
    assert begin(sessions, request(session.session_id, MAX_EPOCH)) is session
    assert begin(sessions, request(session.session_id, 1)) is session


def test_epoch_minus_one_closes_a_session_and_zero_replaces_it(sessions: FetchSessions) -> None:
    first = opened(sessions, ("a", 0, 0))
    assert begin(sessions, request(first.session_id, -1, ("a", 0, 0))) is None
    assert len(sessions) == 0
    second = opened(sessions, ("a", 0, 0))
    third = begin(sessions, request(second.session_id, 0, ("b", 0, 0)))
    assert isinstance(third, FetchSession) and len(sessions) == 1
    assert list(third.wanted) == [("b", 0)]


def test_who_wants_no_session_or_asks_for_nothing_gets_none(sessions: FetchSessions) -> None:
    assert begin(sessions, request(0, -1, ("a", 0, 0))) is None
    assert begin(sessions, request(0, 0)) is None
    assert len(sessions) == 0


def test_only_a_session_that_nobody_used_for_long_makes_room_for_another(sessions: FetchSessions) -> None:
    oldest, other = opened(sessions, ("a", 0, 0)), opened(sessions, ("a", 0, 0), now_ms=NOW + 1)
    late = NOW + EVICT_AFTER_MS
    assert begin(sessions, request(0, 0, ("a", 0, 0)), late - 1) is None, "no room: the answer has session id 0"
    assert isinstance(begin(sessions, request(0, 0, ("a", 0, 0)), late), FetchSession)
    assert begin(sessions, request(oldest.session_id, 1), late) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert begin(sessions, request(other.session_id, 1), late) is other


def partitions(count: int) -> list[tuple[str, int, int]]:
    return [("many", index, 0) for index in range(count)]


def test_a_larger_session_takes_the_place_of_a_smaller_one_that_has_had_its_time(sessions: FetchSessions) -> None:
    small, large = opened(sessions, *partitions(1)), opened(sessions, *partitions(3))
    late = NOW + EVICT_AFTER_MS
    for session in (small, large):  # both are in use
        assert begin(sessions, request(session.session_id, 1), late - 1) is session
    assert begin(sessions, request(0, 0, *partitions(2)), late - 1) is None
    assert begin(sessions, request(0, 0, *partitions(1)), late) is None, "not larger than any"
    assert isinstance(begin(sessions, request(0, 0, *partitions(2)), late), FetchSession)
    assert begin(sessions, request(small.session_id, 2), late) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert begin(sessions, request(large.session_id, 2), late) is large


def test_a_follower_takes_the_place_of_a_consumer_at_once_and_never_the_other_way(sessions: FetchSessions) -> None:
    for _ in range(2):
        opened(sessions, *partitions(4))
    for _ in range(2):
        assert isinstance(begin(sessions, request(0, 0, ("a", 0, 0), replica=7)), FetchSession)
    assert len(sessions) == 2
    assert begin(sessions, request(0, 0, *partitions(4)), NOW) is None
    assert begin(sessions, request(0, 0, ("a", 0, 0), replica=8)) is None


def test_sessions_together_remember_no_more_partitions_than_they_may(sessions: FetchSessions) -> None:
    first = opened(sessions, *partitions(MOST_PARTITIONS - 1))
    assert begin(sessions, request(0, 0, *partitions(2))) is None
    second = opened(sessions, *partitions(1), now_ms=NOW + 1)
    assert sessions.partition_count == MOST_PARTITIONS
    grown = begin(sessions, request(second.session_id, 1, ("b", 0, 0)))
    assert grown == ErrorCode.FETCH_SESSION_ID_NOT_FOUND, "it is to begin anew, without a session"
    assert sessions.partition_count == MOST_PARTITIONS - 1
    late = NOW + EVICT_AFTER_MS
    third = begin(sessions, request(0, 0, *partitions(MOST_PARTITIONS)), late)
    assert isinstance(third, FetchSession), "who has not been used for long makes room for any number"
    assert begin(sessions, request(first.session_id, 1), late) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    shrunk = request(third.session_id, 1, forget=tuple(("many", index) for index in range(4)))
    assert begin(sessions, shrunk, late) is third
    assert sessions.partition_count == MOST_PARTITIONS - 4
    assert begin(sessions, request(third.session_id, -1), late) is None
    assert sessions.partition_count == 0


def test_a_request_that_names_more_partitions_than_all_may_remember_gets_no_session(sessions: FetchSessions) -> None:
    assert begin(sessions, request(0, 0, *partitions(MOST_PARTITIONS + 1))) is None
    assert (len(sessions), sessions.partition_count) == (0, 0)


def test_a_session_by_name_is_not_gone_on_with_by_id(sessions: FetchSessions) -> None:
    session = opened(sessions, ("a", 0, 0))
    refused = sessions.begin(request(session.session_id, 1), by_id=True, now_ms=NOW)
    assert refused == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_an_incremental_answer_names_only_what_is_new(sessions: FetchSessions) -> None:
    session, key = opened(sessions, ("a", 0, 0)), ("a", 0)
    quiet = PartitionData(partition_index=0, high_watermark=5, log_start_offset=0, records=b"")
    assert session.take_news([(key, quiet)]), "the first time"
    assert not session.take_news([(key, quiet)])
    moved = PartitionData(partition_index=0, high_watermark=6, log_start_offset=0, records=b"")
    assert session.take_news([(key, moved)]) and not session.take_news([(key, moved)])
    cut = PartitionData(partition_index=0, high_watermark=6, log_start_offset=2, records=b"")
    assert session.take_news([(key, cut)]) and not session.take_news([(key, cut)])
    full = PartitionData(partition_index=0, high_watermark=6, log_start_offset=2, records=b"x")
    assert session.take_news([(key, full)]) and session.take_news([(key, full)]), "records always"
    diverged = PartitionData(
        partition_index=0, high_watermark=6, log_start_offset=2, records=b"", diverging_epoch=EpochEndOffset(1, 3)
    )
    assert session.take_news([(key, diverged)])


def test_after_an_error_a_partition_is_named_again(sessions: FetchSessions) -> None:
    session, key = opened(sessions, ("a", 0, 0)), ("a", 0)
    quiet = PartitionData(partition_index=0, high_watermark=5, records=b"")
    failed = PartitionData(
        partition_index=0, error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER, high_watermark=5, records=b""
    )
    assert session.take_news([(key, quiet)])
    assert session.take_news([(key, failed)]) and session.take_news([(key, failed)])
    assert session.take_news([(key, quiet)]), "the client has to hear that it is well again"
    assert not session.take_news([(key, quiet)])
