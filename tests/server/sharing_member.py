"""A member of a share group as far as brokers see one: share sessions, fetches and acknowledgements, frame by frame."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import share_acknowledge, share_fetch
from odradek.protocol.messages.initialize_share_group_state import (
    InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse,
    InitializeStateData,
    PartitionData,
)
from odradek.protocol.messages.share_acknowledge import ShareAcknowledgeRequest, ShareAcknowledgeResponse
from odradek.protocol.messages.share_fetch import ShareFetchRequest, ShareFetchResponse
from odradek.protocol.records.record import decode_records
from tests.server.served_broker import Peer, Served

ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4

Said = tuple[int, int, list[int]]
"""First and last offset, and types."""


class Got(NamedTuple):
    """What one fetch has brought of partition 0."""

    values: list[bytes | None]
    """Of the records acquired."""
    acquired: list[tuple[int, int, int]]
    """First and last offset, deliveries."""
    error: ErrorCode
    acknowledge_error: ErrorCode


class Member:
    """Of group g, at one broker."""

    def __init__(self, served: Served, peer: Peer, member_id: str, topic: str = "t") -> None:
        self.peer = peer
        self.member_id = member_id
        self.topic_id = served.broker.image.topics[topic].topic_id
        self.epoch = 0

    async def fetch_whole(
        self, *said: Said, max_wait_ms: int = 0, max_records: int = 500, min_bytes: int = 1, **more: Any
    ) -> ShareFetchResponse:
        batches = [share_fetch.AcknowledgementBatch(*each) for each in said]
        request = ShareFetchRequest(
            **{"group_id": "g", "member_id": self.member_id, "share_session_epoch": self._next_epoch(), **more},
            max_wait_ms=max_wait_ms,
            min_bytes=min_bytes,
            max_records=max_records,
            topics=[share_fetch.FetchTopic(self.topic_id, [share_fetch.FetchPartition(0, batches)])],
        )
        with trio.fail_after(10):
            return await self.peer.ask(request, ShareFetchResponse, 2)

    async def fetch(self, *said: Said, **more: Any) -> Got:
        response = await self.fetch_whole(*said, **more)
        assert response.error_code == ErrorCode.NONE, ErrorCode.from_code(response.error_code).name
        if not response.responses:
            return Got([], [], ErrorCode.NONE, ErrorCode.NONE)
        (data,) = response.responses[0].partitions
        acquired = [(each.first_offset, each.last_offset, each.delivery_count) for each in data.acquired_records]
        records = decode_records(cast("memoryview", data.records)) if data.records else []
        values = [r.value for r in records if any(first <= r.offset <= last for first, last, _ in acquired)]
        errors = ErrorCode.from_code(data.error_code), ErrorCode.from_code(data.acknowledge_error_code)
        return Got(values, acquired, *errors)

    async def acknowledge(self, *said: Said, is_last: bool = False, renews: bool = False) -> ErrorCode:
        """The session's error, or the partition's."""
        batches = [share_acknowledge.AcknowledgementBatch(*each) for each in said]
        topics = [
            share_acknowledge.AcknowledgeTopic(self.topic_id, [share_acknowledge.AcknowledgePartition(0, batches)])
        ]
        request = ShareAcknowledgeRequest(
            *("g", self.member_id, -1 if is_last else self._next_epoch(), renews), topics if said else []
        )
        with trio.fail_after(10):
            response = await self.peer.ask(request, ShareAcknowledgeResponse, 2)
        if response.error_code or not said:
            return ErrorCode.from_code(response.error_code)
        return ErrorCode.from_code(response.responses[0].partitions[0].error_code)

    def _next_epoch(self) -> int:
        self.epoch += 1
        return self.epoch - 1


async def initialize(served: Served, peer: Peer, start_offset: int = 0, state_epoch: int = 1) -> None:
    """What a group's coordinator does when a first member joins."""
    await served.broker.controller.create_topic_if_missing("__share_group_state")
    data = InitializeStateData(served.broker.image.topics["t"].topic_id, [PartitionData(0, state_epoch, start_offset)])
    request = InitializeShareGroupStateRequest("g", [data])
    with trio.fail_after(10):
        while True:
            answer = (await peer.ask(request, InitializeShareGroupStateResponse, 0)).results[0].partitions[0]
            if answer.error_code not in (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR):
                break
            await trio.lowlevel.checkpoint()
    assert answer.error_code == ErrorCode.NONE, ErrorCode.from_code(answer.error_code).name


async def member(served: Served, member_id: str) -> Member:
    return Member(served, await served.connect(), member_id)
