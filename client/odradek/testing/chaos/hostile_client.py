"""A stranger who means harm, at one broker and in several ways at once: none of them may end it, nor keep its clients
from being served.

It touches no topic and no group but its own, so whatever it breaks is a fault of the broker's.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Protocol, TypeAlias

import trio

from odradek.protocol.headers import ApiMessage, encode_request
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import Record
from odradek.testing.node import Node

OWN = "chaos-hostile"
BOMB_BYTES = 32 << 20
ANNOUNCED_BYTES = 90 << 20
AT_ONCE = 3
"""Of each way."""
PAUSE_S = 0.02
ANSWER_S = 1.0


class Asking(Protocol):
    """Who asks for it."""

    random: Random

    async def leader(self) -> Node: ...

    def said(self, kind: str, node: Node, *, healed: bool = False) -> None: ...


async def hostile_client(nemesis: Asking, hold_s: float) -> None:
    node = await nemesis.leader()
    nemesis.said("hostile-client", node)
    with trio.move_on_after(hold_s):
        async with trio.open_nursery() as nursery:
            for way in WAYS * AT_ONCE:
                nursery.start_soon(_again_and_again, way, node, Random(nemesis.random.random()))
    nemesis.said("hostile-client", node, healed=True)


async def _again_and_again(way: Way, node: Node, random: Random) -> None:
    while True:
        try:
            async with await trio.open_tcp_stream(node.host, node.port) as stream:
                await way(stream, random)
        except (OSError, trio.BrokenResourceError):
            pass  # it was shown out
        await trio.sleep(PAUSE_S)


Way: TypeAlias = Callable[[trio.SocketStream, Random], Awaitable[None]]


async def _rubbish(stream: trio.SocketStream, random: Random) -> None:
    await stream.send_all(random.randbytes(random.choice((1, 4, 100, 10_000))))
    await _take_answer(stream)


async def _unfinished(stream: trio.SocketStream, random: Random) -> None:
    """A frame that is announced, and begun, and never comes."""
    await stream.send_all(struct.pack(">i", ANNOUNCED_BYTES) + bytes(random.randrange(1 << 20)))
    await trio.sleep(5)


async def _spoilt(stream: trio.SocketStream, random: Random) -> None:
    """Requests that are right but for some bits, until the broker closes the connection."""
    for _ in range(100):
        frame = bytearray(_frame(*random.choice(_requests(random))))
        for _ in range(random.choice((0, 1, 1, 3))):
            frame[random.randrange(12, len(frame))] ^= 1 << random.randrange(8)
        await stream.send_all(frame)
        await _take_answer(stream)


async def _bomb(stream: trio.SocketStream, random: Random) -> None:
    """Records of some kilobytes that are many megabytes when their compression is undone, and a look at them."""
    value = bytes(BOMB_BYTES)
    batch = await trio.to_thread.run_sync(
        lambda: build_batch([Record(timestamp=1, key=b"k", value=value)], codec=Codec.ZSTD)
    )
    for _ in range(10):
        for request, version in ((_produce(bytes(batch)), 9), (_youngest(), 7)):
            await stream.send_all(_frame(request, version))
            await _take_answer(stream)


async def _deaf(stream: trio.SocketStream, random: Random) -> None:
    """Asks for much and reads nothing of it."""
    for _ in range(1_000):
        await stream.send_all(_frame(_fetch(0), 11))
    await trio.sleep(5)


WAYS: tuple[Way, ...] = (_rubbish, _unfinished, _spoilt, _bomb, _deaf)


async def _take_answer(stream: trio.SocketStream) -> None:
    """Raises BrokenResourceError where the broker has closed the connection."""
    with trio.move_on_after(ANSWER_S):
        if not await stream.receive_some(1 << 16):
            raise trio.BrokenResourceError


def _frame(request: ApiMessage, version: int) -> bytes:
    pieces: list[Any] = list(encode_request(request, version, 1, "hostile"))
    return b"".join(pieces)


def _requests(random: Random) -> list[tuple[ApiMessage, int]]:
    small = build_batch([Record(timestamp=1, key=b"k", value=b"v" * random.randrange(100))])
    joining = JoinGroupRequest(OWN, 6_000, 100, protocol_type="consumer", protocols=[JoinGroupRequestProtocol("range")])
    offsets = [OffsetCommitRequestTopic(OWN, partitions=[OffsetCommitRequestPartition(0, random.getrandbits(40))])]
    return [
        (MetadataRequest([MetadataRequestTopic(name=OWN)]), 9),
        (FindCoordinatorRequest(OWN), 3),
        (joining, 5),
        (OffsetCommitRequest(OWN, topics=offsets), 7),
        (_produce(bytes(small)), 9),
        (_fetch(random.choice((0, 1, 2**62, -1))), 11),
        (_youngest(), 7),
    ]


def _produce(batch: bytes) -> ProduceRequest:
    return ProduceRequest(None, 1, 1_000, [TopicProduceData(OWN, partition_data=[PartitionProduceData(0, batch)])])


def _fetch(offset: int) -> FetchRequest:
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=50 << 20)
    return FetchRequest(max_wait_ms=100, min_bytes=1, topics=[FetchTopic(topic=OWN, partitions=[wanted])])


def _youngest() -> ListOffsetsRequest:
    return ListOffsetsRequest(topics=[ListOffsetsTopic(OWN, [ListOffsetsPartition(0, timestamp=-3)])])
