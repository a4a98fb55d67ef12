"""This member's side of the consumer protocol, as decisions (KIP-848). No I/O.

One request does everything: it joins, says what has changed, and brings what the coordinator would have us read.

States and what moves between them
    OUT        not a member                        -> JOINING   when the first heartbeat is sent
    JOINING    it is under way, with epoch 0       -> STABLE    it was answered
    STABLE     has an epoch; gets partitions one by one, as others give them up
                                                   -> OUT       we are fenced or forgotten; we have left
A static member whose former self has not left is told to wait: JOINING it stays, and asks again.
Whoever is OUT has lost what it had: others may have it already. It joins again with epoch 0 when it has let go of it.

Said is only what has changed, until an answer is lost: then nobody knows what the coordinator has heard, and all is
said again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

from odradek.consumer.config import ConsumerConfig, GroupProtocol
from odradek.consumer.membership import State, Verdict
from odradek.errors import (
    CoordinatorUnavailable,
    GroupNotFound,
    IllegalGeneration,
    OdradekError,
    UnknownMember,
    broker_error,
)
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from odradek.protocol.topic_partition import TopicPartition

JOINING_EPOCH, LEAVING_EPOCH, LEAVING_FOR_A_WHILE_EPOCH = 0, -1, -2
NO_TIMEOUT_SAID = -1


class EpochMembership:
    """One member of one group. `own_id`: made up by us, and ours until the end of the process."""

    PROTOCOL: ClassVar[GroupProtocol] = "consumer"

    def __init__(self, group_id: str, config: ConsumerConfig, own_id: str) -> None:
        self.group_id = group_id
        self.state = State.OUT
        self.member_id = ""
        """Empty while we are no member."""
        self.generation = JOINING_EPOCH
        """The member epoch: what a generation is to the classic protocol."""
        self.heartbeat_interval_ms = config.heartbeat_interval_ms
        """As the coordinator says, once it has."""
        self.reason = "the consumer starts"
        self._config = config
        self._own_id = own_id
        self._heard_topics: tuple[str, ...] | None = None
        """What the coordinator knows of us; None where we do not know what it knows."""
        self._heard_owned: frozenset[TopicPartition] | None = None

    def heartbeat_request(
        self, topics: tuple[str, ...], owned: Collection[TopicPartition], ids: Mapping[str, bytes]
    ) -> ConsumerGroupHeartbeatRequest:
        """`ids`: of every topic of which we have partitions."""
        joins = self.state is not State.STABLE
        says_all = joins or self._heard_owned is None
        if joins:
            self.state, self.generation = State.JOINING, JOINING_EPOCH
        return ConsumerGroupHeartbeatRequest(
            group_id=self.group_id,
            member_id=self._own_id,
            member_epoch=self.generation,
            instance_id=self._config.instance_id,
            rack_id=self._config.client_rack or None,
            rebalance_timeout_ms=self._config.max_poll_interval_ms if says_all else NO_TIMEOUT_SAID,
            subscribed_topic_names=topics if says_all or topics != self._heard_topics else None,
            topic_partitions=_by_topic(owned, ids) if says_all or frozenset(owned) != self._heard_owned else None,
        )

    def heard(
        self,
        answer: ConsumerGroupHeartbeatResponse,
        topics: tuple[str, ...],
        owned: Collection[TopicPartition],
    ) -> Verdict:
        """The answer to a request that said this. Raises a BrokerError that no further attempt can mend."""
        if not answer.error_code:
            self.state, self.member_id, self.generation = State.STABLE, self._own_id, answer.member_epoch
            self.heartbeat_interval_ms = max(answer.heartbeat_interval_ms, self._config.retry_backoff_ms)
            self._heard_topics, self._heard_owned = topics, frozenset(owned)
            return Verdict.FINE
        error = broker_error(answer.error_code, f"group {self.group_id}: {answer.error_message or 'heartbeat'}")
        self.reason = error.code.name
        if isinstance(error, UnknownMember | IllegalGeneration) or self._is_without_group(error):
            self.forget()
            return Verdict.LOST
        if error.code is ErrorCode.UNRELEASED_INSTANCE_ID:
            return Verdict.JOIN_AGAIN
        if isinstance(error, CoordinatorUnavailable):
            self.unheard()
            return Verdict.FIND_COORDINATOR
        raise error

    def _is_without_group(self, error: OdradekError) -> bool:
        """It has gone, or become a classic one, while we were taken for dead: it begins or goes over as we join."""
        return isinstance(error, GroupNotFound) and self.state is State.STABLE

    def unheard(self) -> None:
        """A request may have been carried out or not."""
        self._heard_topics = self._heard_owned = None

    def leave_request(self, *, for_good: bool) -> ConsumerGroupHeartbeatRequest | None:
        """None where there is nothing to leave. A static member's place is kept for it, unless it goes for good."""
        if self.state is State.OUT:
            return None
        is_static = self._config.instance_id is not None
        return ConsumerGroupHeartbeatRequest(
            group_id=self.group_id,
            member_id=self._own_id,
            member_epoch=LEAVING_FOR_A_WHILE_EPOCH if is_static and not for_good else LEAVING_EPOCH,
            instance_id=self._config.instance_id,
        )

    def forget(self) -> None:
        """We are not a member any more."""
        self.state, self.member_id, self.generation = State.OUT, "", JOINING_EPOCH
        self.unheard()


def _by_topic(partitions: Iterable[TopicPartition], ids: Mapping[str, bytes]) -> list[TopicPartitions]:
    topics: dict[str, list[int]] = {}
    for topic, number in sorted(partitions):
        topics.setdefault(topic, []).append(number)
    return [TopicPartitions(ids[topic], numbers) for topic, numbers in topics.items()]
