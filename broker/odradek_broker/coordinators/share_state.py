"""The share coordinators of this broker: what requests ask of them.

The requests are Kafka's, one for each thing that may be done; this broker asks itself by the same. Each share partition
is answered by itself, since each may belong to another coordinator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import (
    delete_share_group_state,
    initialize_share_group_state,
    read_share_group_state,
    read_share_group_state_summary,
    write_share_group_state,
)
from odradek.protocol.messages.delete_share_group_state import (
    DeleteShareGroupStateRequest,
    DeleteShareGroupStateResponse,
)
from odradek.protocol.messages.initialize_share_group_state import (
    InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse,
)
from odradek.protocol.messages.read_share_group_state import ReadShareGroupStateRequest, ReadShareGroupStateResponse
from odradek.protocol.messages.read_share_group_state_summary import (
    ReadShareGroupStateSummaryRequest,
    ReadShareGroupStateSummaryResponse,
)
from odradek.protocol.messages.write_share_group_state import WriteShareGroupStateRequest, WriteShareGroupStateResponse
from odradek.protocol.primitives import ProtocolError
from odradek_broker.controller.image import SHARE_TOPIC
from odradek_broker.coordination.result import CoordinatorResult, Instant
from odradek_broker.coordinators.coordinators import Coordinators
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.coordinators.share_state_partition import ShareStatePartition
from odradek_broker.sharing.records import StateKey, ranges_of
from odradek_broker.sharing.settings import ShareStateSettings
from odradek_broker.sharing.share_state import ShareState, ShareStateCoordinator, Write

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.partitions.partition import Partition

R = TypeVar("R")
A = TypeVar("A")
P = TypeVar("P", bound="_Asked")
P_co = TypeVar("P_co", bound="_Asked", covariant=True)


class _Asked(Protocol):
    """A partition in a request."""

    @property
    def partition(self) -> int: ...


class _AskedTopic(Protocol[P_co]):
    """A topic in a request."""

    @property
    def topic_id(self) -> bytes: ...

    @property
    def partitions(self) -> Sequence[P_co]: ...


Answers = list[tuple[bytes, list[A]]]
"""By topic id."""


class ShareStateRuntime(Coordinators[ShareStatePartition]):
    """Finds the coordinator of each share partition in a request and asks it."""

    topic = SHARE_TOPIC

    def _make(self, partition: Partition, *, is_only_copy: bool) -> ShareStatePartition:
        coordinator = ShareStateCoordinator(_settings(self._context.config))
        return ShareStatePartition(partition, coordinator, self._context.steady_clock, is_only_copy=is_only_copy)

    def forget_topics(self, topic_ids: Container[bytes]) -> None:
        for each in self._partitions.values():
            if each.is_loaded:
                each.carry_out(each.coordinator.forget_topics(topic_ids))

    # ------------------------------------------------------------------------------------------------------ requests

    async def initialize(self, request: InitializeShareGroupStateRequest) -> InitializeShareGroupStateResponse:
        message = initialize_share_group_state

        async def one(key: StateKey, asked: message.PartitionData) -> message.PartitionResult:
            answer = await self._ask(
                key, lambda core, now: core.initialize(key, asked.state_epoch, asked.start_offset, now)
            )
            return message.PartitionResult(key.partition, *_words(answer))

        answers = await self._each(request.group_id, request.topics, one)
        return InitializeShareGroupStateResponse([message.InitializeStateResult(*each) for each in answers])

    async def read(self, request: ReadShareGroupStateRequest) -> ReadShareGroupStateResponse:
        message = read_share_group_state

        async def one(key: StateKey, asked: message.PartitionData) -> message.PartitionResult:
            answer = await self._ask(key, lambda core, now: core.read(key, asked.leader_epoch, now))
            if not isinstance(answer, ShareState):
                return message.PartitionResult(key.partition, *_words(answer))
            batches = [message.StateBatch(*each[:4]) for each in answer.ranges]
            return message.PartitionResult(
                *(key.partition, 0, None, answer.state_epoch, answer.start_offset), state_batches=batches
            )

        answers = await self._each(request.group_id, request.topics, one)
        return ReadShareGroupStateResponse([message.ReadStateResult(*each) for each in answers])

    async def read_summary(self, request: ReadShareGroupStateSummaryRequest) -> ReadShareGroupStateSummaryResponse:
        message = read_share_group_state_summary

        async def one(key: StateKey, asked: message.PartitionData) -> message.PartitionResult:
            answer = await self._ask(key, lambda core, _: core.read_summary(key, asked.leader_epoch))
            if not isinstance(answer, ShareState):
                return message.PartitionResult(key.partition, *_words(answer))
            return message.PartitionResult(
                *(key.partition, 0, None, answer.state_epoch, answer.leader_epoch, answer.start_offset),
                delivery_complete_count=answer.delivery_complete_count,
            )

        answers = await self._each(request.group_id, request.topics, one)
        return ReadShareGroupStateSummaryResponse([message.ReadStateSummaryResult(*each) for each in answers])

    async def write(self, request: WriteShareGroupStateRequest) -> WriteShareGroupStateResponse:
        message = write_share_group_state

        async def one(key: StateKey, asked: message.PartitionData) -> message.PartitionResult:
            try:
                ranges = ranges_of(asked.state_batches)
            except ProtocolError:
                return message.PartitionResult(key.partition, *_words(ErrorCode.INVALID_REQUEST))
            write = Write(
                *(asked.state_epoch, asked.leader_epoch, asked.start_offset, asked.delivery_complete_count), ranges
            )
            answer = await self._ask(key, lambda core, now: core.write(key, write, now))
            return message.PartitionResult(key.partition, *_words(answer))

        answers = await self._each(request.group_id, request.topics, one)
        return WriteShareGroupStateResponse([message.WriteStateResult(*each) for each in answers])

    async def delete(self, request: DeleteShareGroupStateRequest) -> DeleteShareGroupStateResponse:
        message = delete_share_group_state

        async def one(key: StateKey, asked: message.PartitionData) -> message.PartitionResult:
            answer = await self._ask(key, lambda core, _: core.delete(key), is_gone=True)
            return message.PartitionResult(key.partition, *_words(answer))

        answers = await self._each(request.group_id, request.topics, one)
        return DeleteShareGroupStateResponse([message.DeleteStateResult(*each) for each in answers])

    # -------------------------------------------------------------------------------------------------------- asking

    async def _each(
        self,
        group_id: str,
        topics: Sequence[_AskedTopic[P]],
        one: Callable[[StateKey, P], Awaitable[A]],
    ) -> Answers[A]:
        """Ask about all at once, so that they are committed together."""
        answers: dict[tuple[int, int], A] = {}

        async def ask(place: tuple[int, int], key: StateKey, asked: P) -> None:
            answers[place] = await one(key, asked)

        async with trio.open_nursery() as nursery:
            for at, topic in enumerate(topics):
                for index, asked in enumerate(topic.partitions):
                    key = StateKey(group_id, topic.topic_id, asked.partition)
                    nursery.start_soon(ask, (at, index), key, asked)
        return [
            (topic.topic_id, [answers[at, index] for index in range(len(topic.partitions))])
            for at, topic in enumerate(topics)
        ]

    async def _ask(
        self,
        key: StateKey,
        decide: Callable[[ShareStateCoordinator, Instant], CoordinatorResult[R | ErrorCode]],
        *,
        is_gone: bool = False,
    ) -> R | ErrorCode:
        """`is_gone`: there need not be such a partition any longer."""
        topic = self._context.image.topic_by_id(key.topic_id)
        if not is_gone and (topic is None or key.partition not in topic.partitions):
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        try:
            found = await self.find(key.coordinator_key)
            with trio.move_on_after(self._context.config.share_coordinator_write_timeout_ms / 1000):
                return await found.ask(lambda now, _ticket: decide(found.coordinator, now))
        except CoordinatorUnavailable as unavailable:
            return unavailable.error_code
        return ErrorCode.COORDINATOR_NOT_AVAILABLE


def _words(answer: object) -> tuple[ErrorCode, str | None]:
    """The error, if that is what was answered, and a sentence about it."""
    error = answer if isinstance(answer, ErrorCode) else ErrorCode.NONE
    return error, error.sentence if error else None


def _settings(config: BrokerConfig) -> ShareStateSettings:
    return ShareStateSettings(
        snapshot_update_records_per_snapshot=config.share_coordinator_snapshot_update_records_per_snapshot,
        prune_interval_ms=config.share_coordinator_state_topic_prune_interval_ms,
    )
