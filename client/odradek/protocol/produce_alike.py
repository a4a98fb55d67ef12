"""A Produce request like the one before it. What a producer sends again and again to one partition differs in nothing
but its number and its records: whoever has taken one of them apart need not do so with the next.

Invariants
    What is read here is what `codec.decode_prefix` and `headers.read_request_header` read from the same bytes.
    Only a request that is, to the byte, what our own encoder would have made of it is remembered. So it is known where
    its records lie, and that nothing else lies behind them.
    One is remembered once it has come twice in a row: requests that differ each time cost nobody an encoding.
    What is remembered of it has at most MOST_BYTES on the wire: every connection has one.
"""

from __future__ import annotations

import struct
from collections.abc import Sized
from typing import TypeAlias, cast

from msgspec import Struct

from odradek.protocol.headers import RequestHeader, encode_request, is_flexible
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.primitives import read_uvarint

_CORRELATION_ID = struct.Struct(">i")
_LENGTH = struct.Struct(">i")
_CORRELATION_ID_POSITION, _CLIENT_ID_POSITION = 4, 8
_SIZE_BYTES = 4
_MOST_LENGTH_BYTES = 5
MOST_BYTES = 1024
"""Of a request without its records. Names of clients, topics and transactions are seldom long."""

Signature: TypeAlias = tuple[int, str | None, str | None, int, int, str, bytes, int]


class _Known(Struct, frozen=True, gc=False):
    """A request that was taken apart, without its number and its records."""

    key_and_version: bytes
    head: bytes
    """From the client id to the partition's number."""
    end: int
    """Where the length of the records begins."""
    tail: bytes
    """What lies behind the records."""
    flexible: bool
    version: int
    client_id: str | None
    transactional_id: str | None
    acks: int
    timeout_ms: int
    topic: str
    topic_id: bytes
    index: int


class ProduceAlike:
    """What one connection has produced last."""

    __slots__ = ("_known", "_last")

    def __init__(self) -> None:
        self._known: _Known | None = None
        self._last: Signature | None = None

    def read(self, frame: memoryview) -> tuple[RequestHeader, ProduceRequest] | None:
        """The request, its records a view of the frame, if it is like the one that is remembered."""
        known = self._known
        if (
            known is None
            or frame[_CLIENT_ID_POSITION : known.end] != known.head
            or frame[:_CORRELATION_ID_POSITION] != known.key_and_version
            or len(frame) < known.end + _MOST_LENGTH_BYTES
        ):
            return None
        begin = known.end
        if known.flexible:
            length = frame[begin] - 1
            begin += 1
            if length > 126:
                length, begin = read_uvarint(frame, known.end)
                length -= 1
        else:
            length = _LENGTH.unpack_from(frame, begin)[0]
            begin += _LENGTH.size
        end = begin + length
        if length < 0 or end + len(known.tail) != len(frame) or frame[end:] != known.tail:
            return None
        data = PartitionProduceData(known.index, frame[begin:end])
        topic = TopicProduceData(known.topic, known.topic_id, [data])
        correlation_id = _CORRELATION_ID.unpack_from(frame, _CORRELATION_ID_POSITION)[0]
        return (
            RequestHeader(0, known.version, correlation_id, known.client_id),
            ProduceRequest(known.transactional_id, known.acks, known.timeout_ms, [topic]),
        )

    def note(self, frame: memoryview, header: RequestHeader, request: ProduceRequest) -> None:
        """This is what was made of a frame that was not like the one remembered."""
        if len(request.topic_data) != 1 or len(request.topic_data[0].partition_data) != 1:
            return
        (topic,) = request.topic_data
        (data,) = topic.partition_data
        if len(frame) - len(data.records or b"") > MOST_BYTES:
            return
        signature = (
            header.api_version, header.client_id, request.transactional_id, request.acks, request.timeout_ms,
            topic.name, topic.topic_id, data.index,
        )  # fmt: skip
        if signature == self._last and data.records:
            self._known = _known(frame, header, request, topic, data, data.records)
        self._last = signature


def _known(
    frame: memoryview,
    header: RequestHeader,
    request: ProduceRequest,
    topic: TopicProduceData,
    data: PartitionProduceData,
    records: Sized,
) -> _Known | None:
    version, flexible = header.api_version, is_flexible(ProduceRequest, header.api_version)
    before, _, *behind = encode_request(request, version, header.correlation_id, header.client_id)
    head = bytes(cast("memoryview", before))[_SIZE_BYTES:]
    tail = b"".join(cast("list[memoryview]", behind))
    begin, end = len(head), len(head) + len(records)
    if frame[:begin] != head or frame[end:] != tail:
        return None
    length_bytes = _uvarint_bytes(len(records) + 1) if flexible else _LENGTH.size
    return _Known(
        head[:_CORRELATION_ID_POSITION], head[_CLIENT_ID_POSITION : begin - length_bytes], begin - length_bytes, tail,
        flexible, version, header.client_id, request.transactional_id, request.acks, request.timeout_ms,
        topic.name, topic.topic_id, data.index,
    )  # fmt: skip


def _uvarint_bytes(value: int) -> int:
    return max((value.bit_length() + 6) // 7, 1)
