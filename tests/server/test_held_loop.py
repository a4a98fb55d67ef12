"""One request, however it is made, does not hold the loop: others have their turn before it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from longest_step import watched
from served_broker import Peer, Served, frame_of, produce_batch, serving

from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.produce import ProduceRequest


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, log_cleaner_backoff_ms="1000000") as running:
        yield running


@pytest.fixture
async def peer(served: Served) -> Peer:
    return await served.connect()


async def test_requests_that_take_no_answer_let_others_have_their_turn(peer: Peer) -> None:
    """They have all come before the first is looked at, and nothing of them ever waits."""
    large, empty = frame_of(produce_batch(bytes(200_000)), 9), frame_of(ProduceRequest(None, 0, 0, []), 9)
    with watched():
        await peer.stream.send_all(large + empty * 5_000 + frame_of(ApiVersionsRequest(), 0, 77))
        await peer.receive_produced()
        assert (await peer.receive(ApiVersionsResponse, 0))[0] == 77
