"""The `.snapshot` file: the state of all producers at the offset in its name.

i16 version 1, u32 CRC-32C of all that follows, i32 count, then 46 bytes for each producer, big endian (Kafka:
ProducerStateManager, schema of the snapshot). Only the last batch of each producer is carried.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from odradek.protocol.records.batch import NO_SEQUENCE
from odradek.protocol.records.crc import crc32c
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.producer_state import Producer, ProducerBatch, ProducerEntry, ProducersAsOf, rewind_sequence

VERSION = 1
_HEAD = struct.Struct(">hIi")
_ENTRY = struct.Struct(">qhiqiqiq")
_COUNT_POSITION = 6


def encode(producers: Collection[ProducerEntry] | ProducersAsOf) -> bytes:
    out, pack = bytearray(_HEAD.size), _ENTRY.pack
    for entry in producers:
        out += pack(*entry)
    _HEAD.pack_into(out, 0, VERSION, 0, len(producers))
    _HEAD.pack_into(out, 0, VERSION, crc32c(memoryview(out)[_COUNT_POSITION:]), len(producers))
    return bytes(out)


def decode(data: bytes, now_ms: int) -> list[Producer]:
    """Raises CorruptCheckpoint unless the file is whole. The producers count as heard now."""
    if len(data) < _HEAD.size:
        raise CorruptCheckpoint(f"{len(data)} bytes are no snapshot")
    version, crc, count = _HEAD.unpack_from(data)
    if version != VERSION:
        raise CorruptCheckpoint(f"snapshot of version {version}")
    if crc != crc32c(memoryview(data)[_COUNT_POSITION:]):
        raise CorruptCheckpoint("the checksum does not match")
    if len(data) != _HEAD.size + count * _ENTRY.size:
        raise CorruptCheckpoint(f"{count} entries announced in {len(data)} bytes")
    return [_producer(entry, now_ms) for entry in _ENTRY.iter_unpack(memoryview(data)[_HEAD.size :])]


def _producer(entry: tuple[int, ...], now_ms: int) -> Producer:
    producer_id, epoch, last_sequence, last_offset, delta, timestamp, coordinator_epoch, transaction = entry
    producer = Producer(producer_id)
    producer.epoch = epoch
    producer.last_timestamp = timestamp
    producer.coordinator_epoch = coordinator_epoch
    producer.transaction_first_offset = transaction
    producer.heard_ms = now_ms
    producer.is_partial = True
    if last_offset >= 0:
        base_sequence = rewind_sequence(last_sequence, delta) if last_sequence >= 0 else NO_SEQUENCE
        batch = ProducerBatch(base_sequence, last_sequence, last_offset - delta, last_offset, timestamp)
        producer.batches.append(batch)
    return producer
