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
from odradek_broker.runtime.fetch_sessions import EVICT_AFTER_MS, MAX_EPOCH, FetchSession, FetchSessions

NOW = 1_000_000


def request(
    session_id: int, epoch: int, *wanted: tuple[str, int, int], forget: tuple[tuple[str, int], ...] = ()
) -> FetchRequest:
    """`wanted`: topic, partition, offset."""
    return FetchRequest(
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
    return FetchSessions(2, Random(1))


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


def test_a_session_by_name_is_not_gone_on_with_by_id(sessions: FetchSessions) -> None:
    session = opened(sessions, ("a", 0, 0))
    refused = sessions.begin(request(session.session_id, 1), by_id=True, now_ms=NOW)
    assert refused == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_an_incremental_answer_names_only_what_is_new(sessions: FetchSessions) -> None:
    session, key = opened(sessions, ("a", 0, 0)), ("a", 0)
    quiet = PartitionData(partition_index=0, high_watermark=5, log_start_offset=0, records=b"")
    assert session.is_news(key, quiet), "the first time"
    assert not session.is_news(key, quiet)
    moved = PartitionData(partition_index=0, high_watermark=6, log_start_offset=0, records=b"")
    assert session.is_news(key, moved) and not session.is_news(key, moved)
    cut = PartitionData(partition_index=0, high_watermark=6, log_start_offset=2, records=b"")
    assert session.is_news(key, cut) and not session.is_news(key, cut)
    full = PartitionData(partition_index=0, high_watermark=6, log_start_offset=2, records=b"x")
    assert session.is_news(key, full) and session.is_news(key, full), "records always"
    diverged = PartitionData(
        partition_index=0, high_watermark=6, log_start_offset=2, records=b"", diverging_epoch=EpochEndOffset(1, 3)
    )
    assert session.is_news(key, diverged)


def test_after_an_error_a_partition_is_named_again(sessions: FetchSessions) -> None:
    session, key = opened(sessions, ("a", 0, 0)), ("a", 0)
    quiet = PartitionData(partition_index=0, high_watermark=5, records=b"")
    failed = PartitionData(
        partition_index=0, error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER, high_watermark=5, records=b""
    )
    assert session.is_news(key, quiet)
    assert session.is_news(key, failed) and session.is_news(key, failed)
    assert session.is_news(key, quiet), "the client has to hear that it is well again"
    assert not session.is_news(key, quiet)
