"""Asks the share coordinators of the cluster: where this broker is the coordinator by a call, else over the network.

Who coordinates may be moving, or be loading what is stored; then the same is asked again for a while. All of it may be
asked twice: what is written says what is so, not what has changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio
from msgspec import Struct

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
from odradek_broker.controller.image import SHARE_TOPIC
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.metadata.broker_peers import BrokerPeers
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.metadata.peer import PeerUnreachable
from odradek_broker.sharing.records import StateKey

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.share_state import ShareStateRuntime
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.replica_logs import ReplicaLogs
    from odradek_broker.sharing.share_state import Write

ANSWER_SECONDS = 10.0
ATTEMPTS = 20
BACKOFF_SECONDS = 0.1
AT_ONCE = 8
"""Questions of one call that are under way together."""

ASK_AGAIN = {
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}
"""A coordinator that does not know of a partition yet hears of it soon."""


class _Result(Protocol):
    @property
    def error_code(self) -> int: ...


R_co = TypeVar("R_co", bound=_Result, covariant=True)
R = TypeVar("R", bound=_Result)
K = TypeVar("K")
A = TypeVar("A")
M = TypeVar("M", bound=Struct)


class _TopicResult(Protocol[R_co]):
    @property
    def partitions(self) -> Sequence[R_co]: ...


class _Response(Protocol[R_co]):
    @property
    def results(self) -> Sequence[_TopicResult[R_co]]: ...


class SharePersister:
    """One for a broker. What it returns is an ErrorCode where there is no answer, or the answer is one."""

    def __init__(
        self, context: NodeContext, controller: ControllerClient, logs: ReplicaLogs, states: ShareStateRuntime
    ) -> None:
        self._context = context
        self._controller = controller
        self._logs = logs
        self._states = states
        self._peers = BrokerPeers(context, "share-persister")

    def close(self) -> None:
        self._peers.close()

    async def initialize(self, key: StateKey, state_epoch: int, start_offset: int) -> ErrorCode:
        message = initialize_share_group_state
        data = message.PartitionData(key.partition, state_epoch, start_offset)
        request = InitializeShareGroupStateRequest(key.group_id, [message.InitializeStateData(key.topic_id, [data])])

        async def elsewhere(leader: int) -> InitializeShareGroupStateResponse:
            return await self._ask_peer(leader, request, InitializeShareGroupStateResponse, 0)

        return _error_of(await self._ask(key, lambda: self._states.initialize(request), elsewhere))

    async def read(self, key: StateKey, leader_epoch: int) -> read_share_group_state.PartitionResult | ErrorCode:
        message = read_share_group_state
        data = message.ReadStateData(key.topic_id, [message.PartitionData(key.partition, leader_epoch)])
        request = ReadShareGroupStateRequest(key.group_id, [data])

        async def elsewhere(leader: int) -> ReadShareGroupStateResponse:
            return await self._ask_peer(leader, request, ReadShareGroupStateResponse, 0)

        return await self._ask(key, lambda: self._states.read(request), elsewhere)

    async def read_summary(self, key: StateKey) -> read_share_group_state_summary.PartitionResult | ErrorCode:
        message = read_share_group_state_summary
        data = message.ReadStateSummaryData(key.topic_id, [message.PartitionData(key.partition, -1)])
        request = ReadShareGroupStateSummaryRequest(key.group_id, [data])

        async def elsewhere(leader: int) -> ReadShareGroupStateSummaryResponse:
            return await self._ask_peer(leader, request, ReadShareGroupStateSummaryResponse, 1)

        return await self._ask(key, lambda: self._states.read_summary(request), elsewhere)

    async def write(self, key: StateKey, write: Write) -> ErrorCode:
        message = write_share_group_state
        data = message.PartitionData(
            *(key.partition, write.state_epoch, write.leader_epoch, write.start_offset, write.delivery_complete_count),
            state_batches=[message.StateBatch(*each[:4]) for each in write.ranges],
        )
        request = WriteShareGroupStateRequest(key.group_id, [message.WriteStateData(key.topic_id, [data])])

        async def elsewhere(leader: int) -> WriteShareGroupStateResponse:
            return await self._ask_peer(leader, request, WriteShareGroupStateResponse, 1)

        return _error_of(await self._ask(key, lambda: self._states.write(request), elsewhere))

    async def delete(self, key: StateKey) -> ErrorCode:
        message = delete_share_group_state
        data = message.DeleteStateData(key.topic_id, [message.PartitionData(key.partition)])
        request = DeleteShareGroupStateRequest(key.group_id, [data])

        async def elsewhere(leader: int) -> DeleteShareGroupStateResponse:
            return await self._ask_peer(leader, request, DeleteShareGroupStateResponse, 0)

        return _error_of(await self._ask(key, lambda: self._states.delete(request), elsewhere))

    async def _ask(
        self,
        key: StateKey,
        here: Callable[[], Awaitable[_Response[R]]],
        elsewhere: Callable[[int], Awaitable[_Response[R]]],
    ) -> R | ErrorCode:
        error = ErrorCode.COORDINATOR_NOT_AVAILABLE
        for attempt in range(ATTEMPTS):
            if attempt:
                await trio.sleep(BACKOFF_SECONDS)
            try:
                leader = await self._leader(key)
                response = await (here() if leader == self._context.node_id else elsewhere(leader))
            except (PeerUnreachable, ControllerUnavailable):
                continue
            result = response.results[0].partitions[0]
            error = ErrorCode.from_code(result.error_code)
            if error not in ASK_AGAIN:
                return error or result
            if (
                error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                and self._context.image.topic_names.get(key.topic_id) is None
            ):
                break
        return error

    async def _leader(self, key: StateKey) -> int:
        """Raises ControllerUnavailable."""
        await self._controller.create_topic_if_missing(SHARE_TOPIC)
        await self._logs.wait_opened({SHARE_TOPIC})
        topic = self._context.image.topics.get(SHARE_TOPIC)
        if topic is None:
            raise ControllerUnavailable(f"there is no {SHARE_TOPIC}")
        return topic.partitions[coordinator_partition(key.coordinator_key, len(topic.partitions))].leader

    async def _ask_peer(self, leader: int, request: ApiMessage, answer: type[M], version: int) -> M:
        peer = self._peers.get(leader)
        if peer is None:
            raise PeerUnreachable(f"there is no broker {leader}")
        return await peer.ask(request, answer, version, ANSWER_SECONDS)


async def each_at_once(keys: Sequence[K], ask: Callable[[K], Awaitable[A]]) -> dict[K, A]:
    """What is answered about each key; some are asked about at a time."""
    answers: dict[K, A] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def one(key: K) -> None:
        async with limit:
            answers[key] = await ask(key)

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(one, key)
    return answers


def _error_of(answer: object) -> ErrorCode:
    return answer if isinstance(answer, ErrorCode) else ErrorCode.NONE
