"""What is taken at a glance is exactly what every single check would have taken."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek_broker.log.config import LogConfig
from odradek_broker.log.plain_batch import sound_header
from odradek_broker.log.validation import Origin, Refused, Valid, validate, validate_in_full
from tests.log.log_batches import batch, with_crc
from tests.log.log_fixtures import NOW

FIELDS = {
    "base_offset": (">q", 0),
    "batch_length": (">i", 8),
    "leader_epoch": (">i", 12),
    "magic": (">b", 16),
    "crc": (">I", 17),
    "attributes": (">h", 21),
    "last_offset_delta": (">i", 23),
    "base_timestamp": (">q", 27),
    "max_timestamp": (">q", 35),
    "producer_id": (">q", 43),
    "producer_epoch": (">h", 51),
    "base_sequence": (">i", 53),
    "count": (">i", 57),
    "first byte of a record": (">B", 61),
}
NEAR = [-2, -1, 0, 1, 2, 3, 5, 8, 16, 32, 64, NOW - 1_001, NOW - 1_000, NOW, NOW + 1_000, NOW + 1_001, 3_600_000 + NOW]
CONFIGS = [
    LogConfig(),
    LogConfig(max_message_bytes=75),
    LogConfig(segment_bytes=75),
    LogConfig(message_timestamp_before_max_ms=1_000, message_timestamp_after_max_ms=1_000),
    LogConfig(cleanup_policy=frozenset({"compact"})),
    LogConfig(message_timestamp_type="LogAppendTime"),
    LogConfig(compression_type="gzip"),
    LogConfig(compression_type="uncompressed"),
]


@st.composite
def batches(draw: st.DrawFn) -> bytes:
    """A sound batch in which a field or two may be another; cut off or with something behind it, now and then."""
    values = draw(st.lists(st.binary(max_size=12), min_size=1, max_size=8))
    numbers = draw(st.sampled_from([None, (7, 0, 0), (0, 3, 9), (7, 0, -1), (7, -1, 0)]))
    when = draw(st.sampled_from([NOW, NOW - 1_000, NOW - 1_001, 1_000]))
    made = bytearray(batch(*values, timestamp=when, producer=(-1, -1, -1) if numbers is None else numbers))
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        layout, position = FIELDS[field]
        low, high = (0, 2**32 - 1) if layout == ">I" else (0, 255) if layout == ">B" else _range(layout)
        value = draw(st.sampled_from(NEAR) | st.integers(low, high))
        struct.pack_into(layout, made, position, min(max(value, low), high))
    data = bytes(made) if draw(st.booleans()) else with_crc(bytes(made))
    return draw(st.sampled_from([data, data, data, data[:-1], data[:50], data + b"\0", data + data]))


def _range(layout: str) -> tuple[int, int]:
    bits = 8 * struct.calcsize(layout)
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


@given(batches(), st.sampled_from(CONFIGS))
def test_a_batch_that_is_taken_at_a_glance_passes_every_check(data: bytes, config: LogConfig) -> None:
    header = sound_header(memoryview(data), config, NOW)
    judged = validate_in_full(memoryview(bytearray(data)), config, Origin.CLIENT, NOW)
    if header is not None:
        assert judged == Valid(memoryview(data), [(0, header)])
    assert type(validate(memoryview(bytearray(data)), config, Origin.CLIENT, NOW)) is type(judged)


@pytest.mark.parametrize("config", [CONFIGS[0], CONFIGS[7]])
def test_what_producers_send_mostly_is_taken_at_a_glance(config: LogConfig) -> None:
    for sent in (batch(b"a"), batch(b"a", b"b"), batch(*[b"x"] * 100), batch(b"a", producer=(7, 0, 0))):
        assert sound_header(memoryview(sent), config, NOW) is not None


@pytest.mark.parametrize("config", [*CONFIGS[1:3], *CONFIGS[4:7]])
def test_no_glance_is_enough_where_the_topic_wants_more_or_less(config: LogConfig) -> None:
    assert sound_header(memoryview(batch(b"a" * 20)), config, NOW) is None


def test_a_coordinator_s_batches_are_looked_at_one_by_one() -> None:
    two = memoryview(bytearray(batch(b"a") + batch(b"b")))
    assert isinstance(validate(two, LogConfig(), Origin.CLIENT, NOW), Refused)
    assert isinstance(validate(two, LogConfig(), Origin.COORDINATOR, NOW), Valid)
