"""A member's state through joins, syncs and heartbeats; and what members tell each other."""

from __future__ import annotations

import pytest

from odradek.consumer.config import ConsumerConfig
from odradek.consumer.embedded import decode_assignment, decode_subscription, encode_assignment, encode_subscription
from odradek.consumer.membership import Membership, State, Verdict
from odradek.errors import BrokerError, FencedInstance
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.topic_partition import TopicPartition


def joined(member: Membership, generation: int = 1) -> None:
    member.join_request(["a"], [])
    answer = JoinGroupResponse(generation_id=generation, protocol_name="cooperative-sticky", leader="l", member_id="m")
    assert member.joined(answer) is Verdict.FINE
    assert member.synced(0) is Verdict.FINE


@pytest.fixture
def member() -> Membership:
    return Membership("g", ConsumerConfig())


def test_a_first_join_is_told_its_member_id_and_joins_again(member: Membership) -> None:
    assert member.join_request(["a"], []).member_id == ""
    assert member.joined(JoinGroupResponse(error_code=79, member_id="m-1")) is Verdict.JOIN_AGAIN
    assert member.join_request(["a"], []).member_id == "m-1"


def test_a_join_and_a_sync_make_it_stable(member: Membership) -> None:
    joined(member, 5)
    assert (member.state, member.generation, member.member_id) == (State.STABLE, 5, "m")


@pytest.mark.parametrize(
    ("code", "verdict", "state", "member_id", "generation"),
    [
        (ErrorCode.NONE, Verdict.FINE, State.STABLE, "m", 1),
        (ErrorCode.REBALANCE_IN_PROGRESS, Verdict.JOIN_AGAIN, State.STABLE, "m", 1),
        (ErrorCode.UNKNOWN_MEMBER_ID, Verdict.LOST, State.OUT, "", -1),
        (ErrorCode.ILLEGAL_GENERATION, Verdict.LOST, State.OUT, "m", -1),
        (ErrorCode.NOT_COORDINATOR, Verdict.FIND_COORDINATOR, State.STABLE, "m", 1),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, Verdict.FIND_COORDINATOR, State.STABLE, "m", 1),
    ],
)
def test_what_a_heartbeat_means(
    member: Membership, code: ErrorCode, verdict: Verdict, state: State, member_id: str, generation: int
) -> None:
    joined(member)
    assert member.beaten(1, code) is verdict
    assert (member.state, member.member_id, member.generation) == (state, member_id, generation)


def test_a_late_heartbeat_of_an_earlier_generation_means_nothing(member: Membership) -> None:
    joined(member, 1)
    joined(member, 2)
    assert member.beaten(1, ErrorCode.UNKNOWN_MEMBER_ID) is Verdict.FINE
    assert member.state is State.STABLE


def test_a_heartbeat_during_a_join_means_nothing(member: Membership) -> None:
    joined(member)
    member.join_request(["a"], [])
    assert member.beaten(1, ErrorCode.REBALANCE_IN_PROGRESS) is Verdict.FINE


def test_a_fenced_instance_is_final(member: Membership) -> None:
    with pytest.raises(FencedInstance):
        member.joined(JoinGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID))
    with pytest.raises(BrokerError):
        member.synced(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


def test_the_leader_understands_the_others_and_gives_nothing_to_whom_it_does_not(member: Membership) -> None:
    joined(member)
    answer = JoinGroupResponse(
        members=[
            JoinGroupResponseMember("m", None, encode_subscription(["a"], [], 1, None)),
            JoinGroupResponseMember("broken", None, b"\xff"),
        ]
    )
    assert member.share_out(answer, {"a": 1}) == {"m": [("a", 0)], "broken": []}


def test_an_assignment_that_is_to_stay_is_not_computed(member: Membership) -> None:
    joined(member)
    assert member.share_out(JoinGroupResponse(skip_assignment=True), {"a": 1}) == {}


def test_a_static_member_has_nothing_to_leave() -> None:
    member = Membership("g", ConsumerConfig(instance_id="i"))
    joined(member)
    assert member.leave_request() is None


def test_a_subscription_survives_the_wire() -> None:
    owned = [TopicPartition("b", 1), TopicPartition("a", 0)]
    read = decode_subscription("m", "i", encode_subscription(["b", "a"], owned, 7, "rack"))
    assert (read.topics, read.owned, read.generation) == (("a", "b"), (("a", 0), ("b", 1)), 7)


def test_a_subscription_of_an_older_client_is_read() -> None:
    version_0 = b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x01a" + b"\xff\xff\xff\xff"
    assert decode_subscription("m", None, version_0).topics == ("a",)


def test_a_subscription_of_a_newer_client_is_read_as_far_as_known() -> None:
    newer = b"\x00\x09" + encode_subscription(["a"], [], 7, None)[2:] + b"something new"
    assert decode_subscription("m", None, newer).generation == 7


def test_an_assignment_survives_the_wire_and_an_empty_one_is_nothing() -> None:
    partitions = [TopicPartition("a", 1), TopicPartition("a", 0), TopicPartition("b", 2)]
    assert decode_assignment(encode_assignment(partitions)) == sorted(partitions)
    assert decode_assignment(b"") == []
    with pytest.raises(ProtocolError):
        decode_assignment(b"\x00")
