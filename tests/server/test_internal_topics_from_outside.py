"""Writing into __consumer_offsets and __transaction_state by Kafka's own door for it: what does not parse stays out."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import encode_request
from odradek.protocol.messages.consumer_group_records import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
)
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.group_metadata import GroupMetadataValue, OffsetCommitValue
from odradek.protocol.messages.produce import PartitionProduceResponse
from odradek.protocol.messages.transaction_log import TransactionLogKey, TransactionLogValue
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.controller.image import GROUP_TOPIC, TRANSACTION_TOPIC
from odradek_broker.groups.records import group_record, offset_record
from tests.server.forged_batches import forged
from tests.server.served_broker import Peer, fetch, produce_batch, serving

GROUP = group_record("g", GroupMetadataValue("", 2**31 - 1, None, None, 5, []))
OFFSET = offset_record("g", "t", 0, OffsetCommitValue(7))
TRANSACTION_KEY = b"\0\0" + encode(TransactionLogKey("tx"), 0)
TRANSACTION_VALUE = b"\0\1" + encode(TransactionLogValue(producer_id=1), 1)

UNREADABLE_MEMBER = ConsumerGroupMemberMetadataValue(
    classic_member_metadata=ClassicMemberMetadata(supported_protocols=[ClassicProtocol("range", b"\0\3\x7f\0\0\0")])
)

GOOD: dict[str, tuple[str, bytes, bytes | None]] = {
    "a group of the last generation": (GROUP_TOPIC, GROUP.key, GROUP.value),
    "an offset": (GROUP_TOPIC, OFFSET.key, OFFSET.value),
    "a tombstone": (GROUP_TOPIC, OFFSET.key, None),
    "a transaction": (TRANSACTION_TOPIC, TRANSACTION_KEY, TRANSACTION_VALUE),
    "a transaction's tombstone": (TRANSACTION_TOPIC, TRANSACTION_KEY, None),
}

BAD: dict[str, tuple[str, bytes, bytes | None]] = {
    "no key of any kind": (GROUP_TOPIC, b"k", b"v"),
    "a key of an unknown kind": (GROUP_TOPIC, b"\0\x63" + GROUP.key[2:], GROUP.value),
    "a tombstone of an unknown kind": (GROUP_TOPIC, b"\0\x63" + GROUP.key[2:], None),
    "a key with bytes left over": (GROUP_TOPIC, OFFSET.key + b"?", OFFSET.value),
    "an offset of an unknown version": (GROUP_TOPIC, OFFSET.key, b"\0\x09" + (OFFSET.value or b"")[2:]),
    "an offset cut off": (GROUP_TOPIC, OFFSET.key, (OFFSET.value or b"")[:-1]),
    "a negative generation": (
        GROUP_TOPIC,
        GROUP.key,
        struct.pack(">h", 3) + encode(GroupMetadataValue(generation=-1), 3),
    ),
    "a classic member of a consumer group whose subscription cannot be read": (
        GROUP_TOPIC,
        b"\0\5" + encode(ConsumerGroupMemberMetadataKey("g", "m"), 0),
        struct.pack(">h", 0) + encode(UNREADABLE_MEMBER, 0),
    ),
    "a classic member of a consumer group without a protocol": (
        GROUP_TOPIC,
        b"\0\5" + encode(ConsumerGroupMemberMetadataKey("g", "m"), 0),
        struct.pack(">h", 0)
        + encode(ConsumerGroupMemberMetadataValue(classic_member_metadata=ClassicMemberMetadata()), 0),
    ),
    "a transaction's value with bytes left over": (TRANSACTION_TOPIC, TRANSACTION_KEY, TRANSACTION_VALUE + b"?"),
    "a transaction's key of an unknown kind": (TRANSACTION_TOPIC, b"\0\1" + TRANSACTION_KEY[2:], None),
    "a group's record among transactions": (TRANSACTION_TOPIC, GROUP.key, GROUP.value),
}


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """Of a broker that has both topics, with one partition each."""
    settings = {"offsets_topic_num_partitions": "1", "transaction_state_log_num_partitions": "1"}
    async with serving(tmp_path, **settings) as served:
        peer = await served.connect()
        for kind in (0, 1):
            question = FindCoordinatorRequest(key="g", key_type=kind, coordinator_keys=["g"])
            await peer.ask(question, FindCoordinatorResponse, 4)
        yield peer


async def write(
    peer: Peer, topic: str, batch: bytes | bytearray, client_id: str = "__admin_client"
) -> PartitionProduceResponse:
    pieces: list[Any] = list(encode_request(produce_batch(batch, topic=topic), 9, 1, client_id))
    await peer.stream.send_all(b"".join(pieces))
    return await peer.receive_produced()


def batch_of(*records: tuple[bytes, bytes | None]) -> bytearray:
    return build_batch([Record(timestamp=1, key=key, value=value) for key, value in records])


async def test_what_its_coordinator_can_read_is_written_and_nothing_else(peer: Peer) -> None:
    for topic, key, value in GOOD.values():
        assert (await write(peer, topic, batch_of((key, value)))).error_code == ErrorCode.NONE
        refused = await write(peer, topic, batch_of((key, value)), client_id="me")
        assert refused.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    for name, (topic, key, value) in BAD.items():
        refused = await write(peer, topic, batch_of((OFFSET.key, None), (key, value)))
        assert refused.error_code == ErrorCode.INVALID_RECORD, name
        at = 1 if topic == GROUP_TOPIC else 0
        assert [each.batch_index for each in refused.record_errors] == [at], name
    for topic in (GROUP_TOPIC, TRANSACTION_TOPIC):
        found = await peer.fetch(fetch(0, topic=topic))
        keys = [record.key for record in decode_records(cast("memoryview", found.records))]
        assert keys == [key for place, key, _ in GOOD.values() if place == topic]


async def test_what_the_door_lets_in_is_bounded(peer: Peer) -> None:
    many = batch_of(*[(OFFSET.key, OFFSET.value)] * 1001)
    assert (await write(peer, GROUP_TOPIC, many)).error_code == ErrorCode.INVALID_RECORD
    spoilt = batch_of((OFFSET.key, OFFSET.value))
    spoilt[-1] ^= 1
    assert (await write(peer, GROUP_TOPIC, spoilt)).error_code == ErrorCode.CORRUPT_MESSAGE
    lying = forged(batch_of((OFFSET.key, OFFSET.value)), attributes=Codec.ZSTD)
    assert (await write(peer, GROUP_TOPIC, lying)).error_code == ErrorCode.INVALID_RECORD
