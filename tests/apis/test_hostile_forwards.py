"""What only brokers ask for, asked by somebody who means harm."""

from __future__ import annotations

import pytest
import trio

from odradek.protocol import codec
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.primitives import ProtocolError
from odradek_broker.metadata.forwarding import answer_follow, answer_forward
from odradek_broker.metadata.messages import FollowMetadataRequest, ForwardRequest
from tests.apis.small_broker import SmallBroker


@pytest.mark.parametrize("max_wait_ms", [-1, -(2**31)])
async def test_a_negative_time_to_wait_for_metadata_is_none(max_wait_ms: int) -> None:
    broker = await SmallBroker().start()
    request = FollowMetadataRequest(next_offset=broker.image.offset + 1, max_wait_ms=max_wait_ms)
    with trio.fail_after(5):
        answer = await answer_follow(broker.runtime, request)
    assert (answer.error_code, answer.last_offset) == (ErrorCode.NONE, broker.image.offset)


async def test_inner_versions_that_do_not_exist_are_refused_and_remembered_nowhere() -> None:
    broker = await SmallBroker().start()
    before = codec.decoder.cache_info().currsize, codec.encoder.cache_info().currsize
    for version in (-1, 99, 2**15 - 1, -(2**15)):
        with pytest.raises(ProtocolError, match="has no version"):
            await answer_forward(broker.runtime, ForwardRequest(CreateTopicsRequest.API_KEY, version, b""), {})
    assert (codec.decoder.cache_info().currsize, codec.encoder.cache_info().currsize) == before
