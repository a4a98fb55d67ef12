"""The hash by which keys find their partition, the same in every Kafka client: murmur2 with Kafka's seed.

Kafka: Utils.murmur2, BuiltInPartitioner.partitionForKey.
"""

from __future__ import annotations

import struct

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as a signed number of 32 bits, as Java has it."""
    length = len(data)
    whole = length & ~3
    hashed = _SEED ^ length
    for word in struct.unpack_from(f"<{whole >> 2}I", data):
        word = word * _MULTIPLIER & _MASK
        hashed = (hashed * _MULTIPLIER ^ (word ^ word >> 24) * _MULTIPLIER) & _MASK
    if length != whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _MASK
    hashed ^= hashed >> 15
    return hashed - (1 << 32) if hashed >> 31 else hashed


def partition_for_key(key: bytes, partition_count: int) -> int:
    """Where a record with that key goes in a topic of so many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
