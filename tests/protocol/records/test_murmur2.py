"""The hash of keys: Kafka's known values, and those of two other clients."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.protocol.records.murmur2 import murmur2, partition_for_key
from tests.protocol.records.other_clients import OTHER_CLIENTS


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_known_values_of_kafka(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_other_clients_hash_alike(key: bytes) -> None:
    for client in OTHER_CLIENTS:
        assert murmur2(key) & 0xFFFFFFFF == client.murmur2(key) & 0xFFFFFFFF, client.name
    assert -(2**31) <= murmur2(key) < 2**31


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(1, 1000))
def test_a_key_has_one_partition_among_those_there_are(key: bytes, partition_count: int) -> None:
    partition = partition_for_key(key, partition_count)
    assert partition == (murmur2(key) & 0x7FFFFFFF) % partition_count
    assert 0 <= partition < partition_count
