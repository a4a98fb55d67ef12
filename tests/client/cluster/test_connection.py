"""One connection: order, timeouts, cancellation, and what happens to everybody when it ends."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek.cluster.connection import Connection
from odradek.errors import BadAnswer, ConnectionFailed, RequestTimedOut, UnsupportedVersion
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse
from tests.client.fake_broker import FakeBroker, refuse


@pytest.fixture
def broker(nursery: trio.Nursery) -> FakeBroker:
    return FakeBroker(nursery, orders=1)


@pytest.fixture
async def connection(broker: FakeBroker, nursery: trio.Nursery) -> Connection:
    made = Connection(await broker.connect("fake", 9092), "fake broker", "test")
    await nursery.start(made.run)
    await made.negotiate(1)
    return made


async def test_answers_go_to_their_requests_in_order(connection: Connection, autojump_clock: Any) -> None:
    replies = [connection.submit(MetadataRequest(topics=[]), MetadataResponse) for _ in range(10)]
    assert connection.unanswered_count == 10
    for reply in reversed(replies):
        assert (await reply.wait(1)).cluster_id == "fake"


async def test_a_cancelled_caller_harms_nobody(connection: Connection, autojump_clock: Any) -> None:
    with trio.CancelScope() as scope:
        reply = connection.submit(HeartbeatRequest(), HeartbeatResponse)
        scope.cancel()
        await reply.wait(1)
    assert scope.cancelled_caught
    assert (await connection.request(MetadataRequest(topics=[]), MetadataResponse, 1)).cluster_id == "fake"


async def test_of_what_was_held_back_that_fails_alone_which_cannot_be_said(
    connection: Connection, autojump_clock: Any
) -> None:
    with connection.alone():
        impossible = connection.submit(HeartbeatRequest(generation_id=2**40), HeartbeatResponse)
        behind = connection.submit(MetadataRequest(topics=[]), MetadataResponse)
    with pytest.raises(BadAnswer):
        await impossible.wait(1)
    assert (await behind.wait(1)).cluster_id == "fake"


async def test_a_late_answer_ends_the_connection_for_all(
    connection: Connection, broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(HeartbeatRequest, *[lambda request, answer: None] * 2)
    slow = connection.submit(HeartbeatRequest(), HeartbeatResponse)
    behind = connection.submit(HeartbeatRequest(), HeartbeatResponse)
    with pytest.raises(RequestTimedOut):
        await slow.wait(5)
    with pytest.raises(RequestTimedOut):
        await behind.wait(5)
    assert not connection.is_open
    with pytest.raises(RequestTimedOut):
        connection.submit(HeartbeatRequest(), HeartbeatResponse)


async def test_a_lost_connection_fails_every_open_request(
    connection: Connection, broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(HeartbeatRequest, refuse)
    replies = [connection.submit(HeartbeatRequest(), HeartbeatResponse) for _ in range(3)]
    for reply in replies:
        with pytest.raises(ConnectionFailed, match="fake broker"):
            await reply.wait(1)


async def test_an_answer_that_cannot_be_read_ends_the_connection(
    connection: Connection, broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(HeartbeatRequest, lambda request, answer: MetadataResponse(cluster_id="x" * 100))
    with pytest.raises(ConnectionFailed, match="protocol"):
        await connection.request(HeartbeatRequest(), HeartbeatResponse, 1)


async def test_an_answer_to_another_request_ends_the_connection(
    connection: Connection, broker: FakeBroker, autojump_clock: Any
) -> None:
    broker.script(HeartbeatRequest, lambda request, answer: None)
    first = connection.submit(HeartbeatRequest(), HeartbeatResponse)
    second = connection.submit(HeartbeatRequest(), HeartbeatResponse)
    for reply in (first, second):
        with pytest.raises(ConnectionFailed, match="answer 3 where 2 was due"):
            await reply.wait(5)


async def test_an_unknown_api_is_not_even_sent(connection: Connection, broker: FakeBroker) -> None:
    ranges = connection.ranges._ranges
    assert isinstance(ranges, dict)
    del ranges[HeartbeatRequest.API_KEY]
    with pytest.raises(UnsupportedVersion, match="Heartbeat"):
        connection.submit(HeartbeatRequest(), HeartbeatResponse)
    assert broker.count(HeartbeatRequest) == 0


async def test_versions_are_asked_for_again_where_the_broker_does_not_know_ours(
    broker: FakeBroker, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    """KIP-511: the refusal comes as a version 0 answer, with the range that is known."""
    refused: list[int] = []

    async def answer(request: Any, version: int) -> Any:
        usual = await FakeBroker._ApiVersions(broker, request, version)
        if version > 2:
            refused.append(version)
            known = [replace(api, max_version=2) for api in usual.api_keys if api.api_key == 18]
            return replace(usual, error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=known)
        return usual

    broker._ApiVersions = answer  # type: ignore[method-assign]
    broker.old_api_versions = True
    made = Connection(await broker.connect("fake", 9092), "fake broker", "test")
    await nursery.start(made.run)
    await made.negotiate(1)
    assert refused == [ApiVersionsRequest.VERSIONS[-1]]
    assert broker.count(ApiVersionsRequest) == 2
    assert made.version_of(HeartbeatRequest) == 4
