"""Headers of requests and responses, in their old and their flexible forms, and their two oddities."""

from __future__ import annotations

import struct
from collections.abc import Sized
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.protocol.codec import decode
from odradek.protocol.headers import (
    encode_request,
    encode_response,
    is_flexible,
    read_request_header,
    read_response_header,
    skip_tags,
)
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse
from odradek.protocol.primitives import MAX_TAGS, ProtocolError, write_uvarint


def joined(pieces: list[Sized]) -> bytes:
    everything: list[Any] = list(pieces)
    return b"".join(everything)


@given(
    client_id=st.none() | st.text(max_size=50),
    correlation_id=st.integers(-(2**31), 2**31 - 1),
    version=st.sampled_from([1, 9]),
)
def test_a_request_header_is_read_as_it_was_written(client_id: str | None, correlation_id: int, version: int) -> None:
    request = MetadataRequest(topics=[])
    frame = joined(encode_request(request, version, correlation_id, client_id))
    (size,) = struct.unpack_from(">i", frame)
    assert size == len(frame) - 4
    header, position = read_request_header(frame[4:])
    assert (header.api_key, header.api_version) == (MetadataRequest.API_KEY, version)
    assert (header.correlation_id, header.client_id) == (correlation_id, client_id)
    if is_flexible(MetadataRequest, version):
        position = skip_tags(frame[4:], position)
    assert decode(MetadataRequest, frame[4:], version, position) == request


@pytest.mark.parametrize("version", [1, 9])
def test_a_response_header_is_read_as_it_was_written(version: int) -> None:
    response = MetadataResponse(brokers=[], topics=[])
    frame = joined(encode_response(response, version, 77))[4:]
    correlation_id, position = read_response_header(frame, MetadataResponse, version)
    assert correlation_id == 77
    assert decode(MetadataResponse, frame, version, position) == response


def test_the_answer_to_api_versions_has_the_old_header_in_every_version() -> None:
    """Who asks does not know yet what the broker speaks (KIP-511)."""
    for version in ApiVersionsResponse.VERSIONS:
        frame = joined(encode_response(ApiVersionsResponse(error_code=35), version, 5))[4:]
        assert read_response_header(frame, ApiVersionsResponse, version) == (5, 4)
        assert struct.unpack_from(">ih", frame) == (5, 35), "the error is right behind the correlation id"


def test_the_client_id_of_a_flexible_request_has_the_old_length() -> None:
    frame = joined(encode_request(ApiVersionsRequest(), 3, 1, "abc"))[4:]
    assert frame[:14] == struct.pack(">hhih", 18, 3, 1, 3) + b"abc\0"


@given(tags=st.lists(st.tuples(st.integers(0, 2**28), st.binary(max_size=200)), max_size=5), rest=st.binary(max_size=5))
def test_tagged_fields_that_nobody_knows_are_passed_over(tags: list[tuple[int, bytes]], rest: bytes) -> None:
    section = bytearray()
    write_uvarint(section, len(tags))
    for number, content in tags:
        write_uvarint(section, number)
        write_uvarint(section, len(content))
        section += content
    assert skip_tags(bytes(section) + rest, 0) == len(section)
    for cut in range(len(section)):
        with pytest.raises(ProtocolError):
            skip_tags(bytes(section[:cut]), 0)


def test_a_header_that_is_cut_off_is_no_header() -> None:
    frame = joined(encode_request(ApiVersionsRequest(), 0, 1, "client"))[4:]
    for cut in range(10 + len("client")):
        with pytest.raises(ProtocolError):
            read_request_header(frame[:cut])
    for cut in range(4):
        with pytest.raises(ProtocolError):
            read_response_header(frame[:cut], ApiVersionsResponse, 0)


@pytest.mark.parametrize("length", [-2, -(2**15), 3, 2**15 - 1])
def test_a_client_id_that_may_not_be_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError):
        read_request_header(struct.pack(">hhih", 18, 0, 1, length) + b"ab")


def test_a_client_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(ProtocolError):
        read_request_header(struct.pack(">hhih", 18, 0, 1, 2) + b"\xff\xfe")


class Slice:
    """Something with a length, which only the connection can send."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


def test_records_of_a_response_are_handed_on_as_they_are_and_counted() -> None:
    slices = [Slice(1000), Slice(1), Slice(5)]
    partitions = [PartitionData(partition_index=index, records=each) for index, each in enumerate(slices)]
    pieces = encode_response(FetchResponse(responses=[FetchableTopicResponse("t", partitions=partitions)]), 11, 1)
    assert [piece for piece in pieces if isinstance(piece, Slice)] == slices
    first: Any = pieces[0]
    assert struct.unpack_from(">i", first)[0] == sum(map(len, pieces)) - 4


def test_a_header_has_no_more_tagged_fields_than_kafka_takes() -> None:
    def section(count: int) -> bytes:
        out = bytearray()
        write_uvarint(out, count)
        return bytes(out) + bytes(2 * count)

    assert skip_tags(section(MAX_TAGS), 0) == len(section(MAX_TAGS))
    with pytest.raises(ProtocolError):
        skip_tags(section(MAX_TAGS + 1), 0)
