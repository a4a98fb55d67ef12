"""Whatever the bytes: they are decoded, or there is a ProtocolError, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import HEADER_BYTES, crc_is_valid, iter_headers, read_header
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec, compress, decompress
from odradek.protocol.records.control import is_abort_or_commit
from odradek.protocol.records.legacy import decode_message_set
from odradek.protocol.records.record import Record, decode_batch, decode_records
from tests.protocol.records.kafka_batches import COMMIT, COMPRESSED, PLAIN
from tests.protocol.records.other_clients import AIOKAFKA
from tests.protocol.records.record_samples import samples

MAX_BYTES = 1_000_000

SMALL = [Record(key=b"k", value=b"v" * 70, headers=(("h", b"x"), ("n", None))), Record(timestamp=5, value=b"again")]
SEEDS = [
    PLAIN,
    COMMIT,
    *COMPRESSED.values(),
    *(bytes(build_batch(SMALL, codec=codec)) for codec in Codec),
    bytes(build_batch(samples())),
    *(AIOKAFKA.build_message_set(SMALL, magic, codec) for magic, codec in ((0, 0), (0, 1), (1, 0), (1, 2), (1, 3))),
]


def check_everything(data: bytes) -> None:
    """Call all that reads bytes of a stranger; raises what is not a ProtocolError."""
    readers: list[Callable[[bytes], object]] = [
        read_header,
        lambda data: [crc_is_valid(data, position, header) for position, header in iter_headers(data)],
        lambda data: decode_batch(data, max_bytes=MAX_BYTES),
        lambda data: decode_records(data, max_bytes=MAX_BYTES),
        lambda data: decode_message_set(data, max_bytes=MAX_BYTES),
        is_abort_or_commit,
    ]
    for read in readers:
        try:
            read(data)
        except ProtocolError:
            pass


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sound batch or message set with a few bytes changed, put in, taken out, or cut off."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, min(len(data), 250) - 1)))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == 1:
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif kind == 2:
            del data[place : place + draw(st.integers(1, 8))]
        elif kind == 3:
            del data[place:]
        else:
            data[place : place + 4] = draw(st.sampled_from([b"\x7f\xff\xff\xff", b"\xff" * 4, bytes(4), b"\x80" * 4]))
    return bytes(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    check_everything(data)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(mutated())
def test_damaged_batches_are_decoded_or_refused(data: bytes) -> None:
    check_everything(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(Codec), st.integers(-1, 40), st.binary(max_size=150))
def test_any_payload_with_a_sound_header_is_decoded_or_refused(codec: Codec, count: int, payload: bytes) -> None:
    """So that damage is not stopped at the header, or by the codec's own checksum."""
    body = compress(codec, payload)
    size = HEADER_BYTES - 12 + len(body)
    head = struct.pack(">qiibIhiqqqhii", 0, size, 0, 2, 0, codec, count - 1, 0, 0, -1, -1, -1, count)
    check_everything(head + body)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.integers(-3, 70) | st.sampled_from([127, 128, 8_191, 8_192, 2**31 - 1, 2**63 - 1]), max_size=40),
)
def test_any_run_of_varints_is_decoded_or_refused(count: int, numbers: list[int]) -> None:
    payload = b"".join(bytes([0] if n == 0 else _varint(n)) for n in numbers)
    size = HEADER_BYTES - 12 + len(payload)
    check_everything(struct.pack(">qiibIhiqqqhii", 0, size, 0, 2, 0, 0, 0, 0, 0, -1, -1, -1, count) + payload)


def _varint(number: int) -> bytes:
    zigzag = number * 2 if number >= 0 else -number * 2 - 1
    digits = []
    while zigzag > 0x7F:
        digits.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*digits, zigzag])


@pytest.mark.parametrize("codec", list(Codec))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_compressed_data_is_undone_within_bounds_or_refused(codec: Codec, data: st.DataObject) -> None:
    compressed = bytearray(compress(codec, data.draw(st.sampled_from([b"abc" * 1_000, bytes(70_000), b"x"]))))
    for _ in range(data.draw(st.integers(0, 3))):
        if compressed:
            place = data.draw(st.integers(0, len(compressed) - 1))
            compressed[place] = data.draw(st.integers(0, 255))
    try:
        assert len(decompress(codec, compressed, 70_000)) <= 70_000
    except ProtocolError:
        pass
