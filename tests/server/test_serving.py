"""A real broker on real sockets, in this process: order, long polls, and what hostile bytes do to it."""

from __future__ import annotations

import logging
import random
import struct
from pathlib import Path
from typing import cast

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.fetch import FetchResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.produce import ProduceResponse
from odradek.protocol.records.record import decode_records
from tests.server.served_broker import Peer, fetch, produce, serving


async def make_topic(peer: Peer) -> None:
    await peer.ask(MetadataRequest([MetadataRequestTopic(name="t")], True), MetadataResponse, 9)


async def test_what_is_produced_is_fetched(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        produced = await peer.ask(produce(b"a", b"b"), ProduceResponse, 9)
        assert produced.responses[0].partition_responses[0].base_offset == 0
        fetched = (await peer.ask(fetch(0), FetchResponse, 11)).responses[0].partitions[0]
        assert [record.value for record in decode_records(cast("memoryview", fetched.records))] == [b"a", b"b"]
        assert fetched.high_watermark == 2


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        for number in range(20):
            await peer.send(produce(b"%d" % number), 9)
            await peer.send(ApiVersionsRequest(), 0)
            await peer.send(fetch(0), 11)
        for number in range(20):
            assert (await peer.receive(ProduceResponse, 9))[0] == 3 * number + 2
            assert (await peer.receive(ApiVersionsResponse, 0))[0] == 3 * number + 3
            correlation_id, fetched = await peer.receive(FetchResponse, 11)
            assert correlation_id == 3 * number + 4
            assert fetched.responses[0].partitions[0].high_watermark == number + 1


async def test_a_long_poll_is_woken_by_an_append(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await served.connect(), await served.connect()
        await make_topic(reader)
        await reader.send(fetch(0, max_wait_ms=60_000), 11)
        await writer.ask(produce(b"now"), ProduceResponse, 9)
        with trio.fail_after(5):
            _, fetched = await reader.receive(FetchResponse, 11)
        assert len(fetched.responses[0].partitions[0].records or b"") > 0


async def test_a_batch_that_fails_its_checksum_is_corrupt_and_not_appended(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        refused = await peer.ask(produce(b"a", spoil=True), ProduceResponse, 9)
        assert refused.responses[0].partition_responses[0].error_code == ErrorCode.CORRUPT_MESSAGE
        assert (await peer.ask(fetch(0), FetchResponse, 11)).responses[0].partitions[0].high_watermark == 0


async def test_offsets_outside_of_the_log_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        found = (await peer.ask(fetch(5), FetchResponse, 11)).responses[0].partitions[0]
        assert (found.error_code, found.high_watermark) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)


async def test_acks_0_has_no_answer_and_an_error_closes(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await make_topic(peer)
        await peer.send(produce(b"a", acks=0), 9)
        await peer.send(ApiVersionsRequest(), 0)
        assert (await peer.receive(ApiVersionsResponse, 0))[0] == 3
        await peer.send(produce(b"a", acks=0, spoil=True), 9)
        assert await peer.is_closed()


async def test_an_unknown_version_of_api_versions_is_told_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.stream.send_all(struct.pack(">ihhih", 10, 18, 99, 1, -1))
        _, answer = await peer.receive(ApiVersionsResponse, 0)
        assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert [(api.api_key, api.max_version) for api in answer.api_keys] == [(18, 5)]


async def test_what_is_not_answered_here_is_refused_in_its_own_form_and_the_connection_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path) as served:
        peer = await served.connect()
        await peer.ask(ApiVersionsRequest("their-client", "1.2"), ApiVersionsResponse, 3)
        answer = await peer.ask(AllocateProducerIdsRequest(), AllocateProducerIdsResponse, 0)
        assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert await peer.is_answered()
    assert "(their-client 1.2) asks for AllocateProducerIds in version 0" in caplog.text


BAD_FRAMES = {
    "negative size": struct.pack(">i", -1),
    "oversized": struct.pack(">i", 0x7FFF_FFFF),
    "unknown API": struct.pack(">ihhih", 10, 999, 0, 1, -1),
    "unknown version": struct.pack(">ihhih", 10, 3, 99, 1, -1),
    "body missing": struct.pack(">ihhih", 10, 3, 9, 1, -1),
    "array beyond the frame": struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0x7FFF_FFFF),
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame_closes_its_connection_and_no_other(tmp_path: Path, bad: bytes) -> None:
    async with serving(tmp_path) as served:
        neighbour, peer = await served.connect(), await served.connect()
        await peer.stream.send_all(bad)
        assert await peer.is_closed()
        assert (await neighbour.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0


async def test_garbage_of_any_kind_leaves_the_broker_up(tmp_path: Path) -> None:
    dice = random.Random(3)
    async with serving(tmp_path) as served:
        neighbour = await served.connect()
        for _ in range(300):
            peer = await served.connect()
            header = struct.pack(">hhih", dice.randrange(76), dice.randrange(14), 1, -1)
            body = bytes(dice.choice((0, 0, 0, 1, 2, 127, 255)) for _ in range(dice.randrange(200)))
            await peer.stream.send_all(struct.pack(">i", len(header) + len(body)) + header + body)
            await peer.stream.send_eof()
            assert await peer.is_closed()
        assert (await neighbour.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0


async def test_connections_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections_per_ip="2") as served:
        first, _ = await served.connect(), await served.connect()
        await first.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)
        assert await (await served.connect()).is_closed()
        assert (await first.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0
