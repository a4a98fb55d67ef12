"""One connection and one request at a time, as bare as it can be: what is measured with it is the broker."""

from __future__ import annotations

import socket
import time
from typing import TypeVar

from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.headers import ApiMessage, encode_request, read_response_header
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.records.builder import BatchBuilder

R = TypeVar("R", bound=Struct)

PRODUCE_VERSION = 10
"""librdkafka's."""
METADATA_VERSION = 9
SIZE_BYTES = 4


class RawClient:
    """Blocking."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.split(",")[0].rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: ApiMessage, answer: type[R], version: int) -> R:
        frame = self.exchange(b"".join(encode_request(request, version, 1, "path")))  # type: ignore[arg-type]
        _, position = read_response_header(frame, answer, version)  # type: ignore[arg-type]
        return decode(answer, frame, version, position)

    def exchange(self, frame: bytes) -> bytes:
        """Send a frame as it is; the answer without its size."""
        self._socket.sendall(frame)
        received = self._socket.recv(65536)
        while len(received) < SIZE_BYTES or len(received) < SIZE_BYTES + int.from_bytes(received[:SIZE_BYTES], "big"):
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionResetError("the broker has closed the connection")
            received += more
        return received[SIZE_BYTES:]

    def close(self) -> None:
        self._socket.close()


def leader_of(bootstrap: str, topic: str) -> tuple[int, str]:
    """The id and the address of who leads partition 0."""
    client = RawClient(bootstrap)
    try:
        request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
        told = client.ask(request, MetadataResponse, METADATA_VERSION)
    finally:
        client.close()
    leader = told.topics[0].partitions[0].leader_id
    (broker,) = (each for each in told.brokers if each.node_id == leader)
    return leader, f"{broker.host}:{broker.port}"


def produce_frame(topic: str, value_bytes: int, acks: int) -> bytes:
    """A Produce of one record to partition 0, which may be sent again and again."""
    builder = BatchBuilder()
    builder.append(None, b"x" * value_bytes, (), time.time_ns() // 1_000_000)
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(0, memoryview(builder.build()))])
    request = ProduceRequest(acks=acks, timeout_ms=30_000, topic_data=[data])
    return b"".join(encode_request(request, PRODUCE_VERSION, 1, "path"))  # type: ignore[arg-type]


def produced(client: RawClient, frame: bytes) -> ProduceResponse:
    """The answer to such a frame."""
    answer = client.exchange(frame)
    _, position = read_response_header(answer, ProduceResponse, PRODUCE_VERSION)
    return decode(ProduceResponse, answer, PRODUCE_VERSION, position)
