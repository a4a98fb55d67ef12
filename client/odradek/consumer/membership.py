"""This member's side of the classic group protocol, as decisions. No I/O.

States and what moves between them
    OUT        not a member, or forgotten          -> JOINING   when a join is sent
    JOINING    a join or sync is under way         -> STABLE    the sync was answered
                                                   -> JOINING   the coordinator wants another try (MEMBER_ID_REQUIRED,
                                                                REBALANCE_IN_PROGRESS, a coordinator that has moved)
                                                   -> OUT       UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION
    STABLE     has an assignment                   -> JOINING   a heartbeat says REBALANCE_IN_PROGRESS, or what we
                                                                subscribe to has changed
                                                   -> OUT       a heartbeat says that we are forgotten; we have left
Whoever is OUT has lost what it was assigned: others may have it already, so nothing of it is committed any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import ClassVar

from odradek.consumer.assignors import ASSIGNORS, Assignment, Assignor, MemberSubscription
from odradek.consumer.config import ConsumerConfig, GroupProtocol
from odradek.consumer.embedded import decode_subscription, encode_assignment, encode_subscription
from odradek.errors import (
    BadAnswer,
    CoordinatorUnavailable,
    IllegalGeneration,
    RebalanceInProgress,
    UnknownMember,
    broker_error,
)
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.topic_partition import TopicPartition

PROTOCOL_TYPE = "consumer"
NO_GENERATION = -1


class State(Enum):
    OUT = "out"
    JOINING = "joining"
    STABLE = "stable"


class Verdict(Enum):
    """What an answer of the coordinator asks for."""

    FINE = "fine"
    JOIN_AGAIN = "join again"
    LOST = "lost"
    FIND_COORDINATOR = "find the coordinator"


class Membership:
    """One member of one group."""

    PROTOCOL: ClassVar[GroupProtocol] = "classic"

    def __init__(self, group_id: str, config: ConsumerConfig) -> None:
        self.group_id = group_id
        self.state = State.OUT
        self.member_id = ""
        self.generation = NO_GENERATION
        self.protocol_name: str | None = None
        self.reason = "the consumer starts"
        """Why the next join is sent: the coordinator logs it (KIP-800)."""
        self._config = config

    @property
    def assignor(self) -> Assignor:
        """The one that the group has agreed on, else our favourite."""
        return ASSIGNORS[self.protocol_name or self._config.assignors[0]]

    @property
    def is_cooperative(self) -> bool:
        return ASSIGNORS[self._config.assignors[0]].cooperative

    def join_request(self, topics: Sequence[str], owned: Iterable[TopicPartition]) -> JoinGroupRequest:
        self.state = State.JOINING
        metadata = encode_subscription(topics, owned, self.generation, self._config.client_rack or None)
        return JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=self._config.session_timeout_ms,
            rebalance_timeout_ms=self._config.max_poll_interval_ms,
            member_id=self.member_id,
            group_instance_id=self._config.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocols=[JoinGroupRequestProtocol(name, metadata) for name in self._config.assignors],
            reason=self.reason,
        )

    def joined(self, answer: JoinGroupResponse) -> Verdict:
        """Raises a BrokerError that no further attempt can mend, or BadAnswer."""
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            return Verdict.JOIN_AGAIN
        verdict = self._judge(answer.error_code)
        if verdict is Verdict.FINE:
            if answer.protocol_name and answer.protocol_name not in self._config.assignors:
                raise BadAnswer(f"group {self.group_id} goes by {answer.protocol_name!r}, which we have not offered")
            self.member_id, self.generation = answer.member_id, answer.generation_id
            self.protocol_name = answer.protocol_name
        return verdict

    def share_out(self, answer: JoinGroupResponse, partition_counts: Mapping[str, int]) -> Assignment:
        """As the leader: who gets what. Nothing where the coordinator says that all stays as it is."""
        if answer.skip_assignment:
            return {}
        return self.assignor.assign(members_of(answer), partition_counts)

    def sync_request(self, assignment: Mapping[str, Sequence[TopicPartition]]) -> SyncGroupRequest:
        return SyncGroupRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._config.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocol_name=self.protocol_name,
            assignments=[
                SyncGroupRequestAssignment(member_id, encode_assignment(partitions))
                for member_id, partitions in assignment.items()
            ],
        )

    def synced(self, error_code: int) -> Verdict:
        """Raises a BrokerError that no further attempt can mend."""
        verdict = self._judge(error_code)
        if verdict is Verdict.FINE:
            self.state = State.STABLE
        return verdict

    def heartbeat_request(self) -> HeartbeatRequest:
        return HeartbeatRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._config.instance_id,
        )

    def beaten(self, generation: int, error_code: int) -> Verdict:
        """The answer to a heartbeat that was sent in that generation."""
        if generation != self.generation or self.state is not State.STABLE:
            return Verdict.FINE  # a late answer: the join that is under way decides
        return self._judge(error_code)

    def leave_request(self) -> LeaveGroupRequest | None:
        """None where there is nothing to leave, and for static members: their place is kept for them."""
        if not self.member_id or self._config.instance_id is not None:
            return None
        member = MemberIdentity(member_id=self.member_id, reason="the consumer was closed")
        return LeaveGroupRequest(group_id=self.group_id, member_id=self.member_id, members=[member])

    def forget(self) -> None:
        """We are not a member any more."""
        self.state = State.OUT
        self.member_id = ""
        self.generation = NO_GENERATION

    def _judge(self, error_code: int) -> Verdict:
        if error_code == ErrorCode.NONE:
            return Verdict.FINE
        error = broker_error(error_code, f"group {self.group_id}")
        self.reason = error.code.name
        if isinstance(error, RebalanceInProgress):
            return Verdict.JOIN_AGAIN
        if isinstance(error, UnknownMember):
            self.forget()
            return Verdict.LOST
        if isinstance(error, IllegalGeneration):
            self.state, self.generation = State.OUT, NO_GENERATION
            return Verdict.LOST
        if isinstance(error, CoordinatorUnavailable):
            return Verdict.FIND_COORDINATOR
        raise error


def members_of(answer: JoinGroupResponse) -> list[MemberSubscription]:
    """The members, as the leader is told; one that cannot be understood subscribes to nothing."""
    members = []
    for member in answer.members:
        try:
            members.append(decode_subscription(member.member_id, member.group_instance_id, member.metadata))
        except ProtocolError:
            members.append(MemberSubscription(member.member_id, ()))
    return members
