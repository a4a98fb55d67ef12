"""A member of a consumer group (KIP-848), in lists of calls."""

from __future__ import annotations

import pytest

from odradek.consumer.config import ConsumerConfig
from odradek.consumer.epochs import EpochMembership
from odradek.consumer.membership import State, Verdict
from odradek.errors import BrokerError
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from odradek.protocol.topic_partition import TopicPartition

TOPICS = ("t",)
IDS = {"t": b"t" * 16}
OWNED = [TopicPartition("t", 1), TopicPartition("t", 0)]


def member(**config: object) -> EpochMembership:
    return EpochMembership("g", ConsumerConfig(protocol="consumer", **config), "me")  # type: ignore[arg-type]


def answer(epoch: int = 5, error: ErrorCode = ErrorCode.NONE) -> ConsumerGroupHeartbeatResponse:
    return ConsumerGroupHeartbeatResponse(
        error_code=error, member_id="me", member_epoch=epoch, heartbeat_interval_ms=700
    )


def joined(**config: object) -> EpochMembership:
    made = member(**config)
    made.heartbeat_request(TOPICS, (), IDS)
    assert made.heard(answer(), TOPICS, ()) is Verdict.FINE
    return made


def says_all(request: ConsumerGroupHeartbeatRequest) -> bool:
    return (
        request.rebalance_timeout_ms >= 0
        and request.subscribed_topic_names is not None
        and request.topic_partitions is not None
    )


def test_who_joins_says_all_and_owns_nothing() -> None:
    made = member(client_rack="r", max_poll_interval_ms=9_000)
    request = made.heartbeat_request(TOPICS, (), IDS)
    assert (request.member_id, request.member_epoch, request.rack_id) == ("me", 0, "r")
    assert (request.rebalance_timeout_ms, request.subscribed_topic_names, request.topic_partitions) == (
        9_000,
        TOPICS,
        [],
    )
    assert made.member_id == "" and made.state is State.JOINING


def test_a_member_has_the_epoch_and_the_interval_that_it_was_told() -> None:
    made = joined()
    assert (made.state, made.generation, made.member_id, made.heartbeat_interval_ms) == (State.STABLE, 5, "me", 700)


def test_no_interval_lets_it_ask_without_a_pause() -> None:
    made = member()
    made.heartbeat_request(TOPICS, (), IDS)
    made.heard(ConsumerGroupHeartbeatResponse(member_epoch=5, heartbeat_interval_ms=0), TOPICS, ())
    assert made.heartbeat_interval_ms == ConsumerConfig().retry_backoff_ms


def test_what_has_not_changed_is_not_said_again() -> None:
    made = joined()
    request = made.heartbeat_request(TOPICS, (), IDS)
    assert request.member_epoch == 5
    assert (request.rebalance_timeout_ms, request.subscribed_topic_names, request.topic_partitions) == (-1, None, None)


def test_what_has_changed_is_said_until_it_is_heard() -> None:
    made = joined()
    for _ in range(2):
        request = made.heartbeat_request(("t", "u"), OWNED, IDS)
        assert request.subscribed_topic_names == ("t", "u")
        assert request.topic_partitions == [TopicPartitions(IDS["t"], [0, 1])]
    made.heard(answer(), ("t", "u"), OWNED)
    assert made.heartbeat_request(("t", "u"), OWNED, IDS).topic_partitions is None


def test_after_an_answer_was_lost_all_is_said() -> None:
    made = joined()
    made.unheard()
    assert says_all(made.heartbeat_request(TOPICS, OWNED, IDS))


@pytest.mark.parametrize(
    "error", [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND]
)
def test_one_who_is_fenced_or_forgotten_has_lost_all_and_joins_again_under_the_same_id(error: ErrorCode) -> None:
    made = joined()
    assert made.heard(answer(0, error), TOPICS, ()) is Verdict.LOST
    assert (made.state, made.member_id) == (State.OUT, "")
    request = made.heartbeat_request(TOPICS, (), IDS)
    assert (request.member_id, request.member_epoch) == ("me", 0) and says_all(request)


def test_when_the_coordinator_has_moved_the_next_one_is_told_all() -> None:
    made = joined()
    assert made.heard(answer(0, ErrorCode.NOT_COORDINATOR), TOPICS, ()) is Verdict.FIND_COORDINATOR
    request = made.heartbeat_request(TOPICS, (), IDS)
    assert request.member_epoch == 5 and says_all(request)


def test_a_static_member_joins_again_until_its_former_self_has_left() -> None:
    made = member(instance_id="i")
    for _ in range(2):
        assert made.heartbeat_request(TOPICS, (), IDS).member_epoch == 0
        assert made.heard(answer(0, ErrorCode.UNRELEASED_INSTANCE_ID), TOPICS, ()) is Verdict.JOIN_AGAIN
    assert made.state is State.JOINING


@pytest.mark.parametrize("error", [ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.GROUP_MAX_SIZE_REACHED])
def test_what_no_attempt_can_mend_is_raised(error: ErrorCode) -> None:
    made = member()
    made.heartbeat_request(TOPICS, (), IDS)
    with pytest.raises(BrokerError):
        made.heard(answer(0, error), TOPICS, ())


def test_a_static_member_goes_for_a_while_and_others_for_good() -> None:
    assert member().leave_request(for_good=False) is None
    leaving = joined().leave_request(for_good=False)
    assert leaving is not None and leaving.member_epoch == -1
    static = joined(instance_id="i")
    for for_good, epoch in ((False, -2), (True, -1)):
        request = static.leave_request(for_good=for_good)
        assert request is not None and (request.member_epoch, request.instance_id) == (epoch, "i")
