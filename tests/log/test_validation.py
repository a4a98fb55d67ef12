"""What a leader refuses, with Kafka's error codes; nothing of it reaches the log."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.records.codecs import Codec, compress, decompress
from odradek_broker.log.config import LogConfig
from odradek_broker.log.inside import MOST_FAULTS
from odradek_broker.log.validation import Origin, Refused, Valid, is_long, validate, validate_beforehand
from tests.log.log_batches import CONTROL, DELETE_HORIZON, batch, headers, marker, record, records, varint, with_crc
from tests.log.log_fixtures import NOW, LogHouse, append, refuse, some

GOOD = batch(b"a", b"b")


def changed(data: bytes, layout: str, position: int, value: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(layout, out, position, value)
    return with_crc(bytes(out))


def many(data: bytes, count: int) -> bytes:
    """A batch that announces so many records."""
    return changed(changed(data, ">i", 57, count), ">i", 23, count - 1)


REFUSED = [
    ("nothing", b"", ErrorCode.INVALID_RECORD),
    ("two batches", GOOD + GOOD, ErrorCode.INVALID_RECORD),
    ("magic 1", changed(GOOD, ">b", 16, 1), ErrorCode.INVALID_RECORD),
    ("cut off", GOOD[:-1], ErrorCode.CORRUPT_MESSAGE),
    ("undersized", GOOD[:40], ErrorCode.CORRUPT_MESSAGE),
    ("undersized, magic 1", changed(GOOD, ">b", 16, 1)[:40], ErrorCode.INVALID_RECORD),
    ("too short for a magic", GOOD[:16], ErrorCode.CORRUPT_MESSAGE),
    ("a header alone", changed(GOOD[:61], ">i", 8, 49), ErrorCode.INVALID_RECORD),
    ("length too small", changed(GOOD, ">i", 8, 20), ErrorCode.CORRUPT_MESSAGE),
    ("checksum", GOOD[:-1] + b"\x55", ErrorCode.CORRUPT_MESSAGE),
    ("base offset", batch(b"a", base_offset=1), ErrorCode.INVALID_RECORD),
    ("count", batch(b"a", b"b", count=3), ErrorCode.INVALID_RECORD),
    ("more records than fit", many(GOOD, (len(GOOD) - 61) // 7 + 1), ErrorCode.INVALID_RECORD),
    ("many more", many(GOOD, 1 << 30), ErrorCode.INVALID_RECORD),
    ("no records", changed(changed(GOOD, ">i", 57, 0), ">i", 23, -1), ErrorCode.INVALID_RECORD),
    ("control batch", marker(1, 0, commit=True), ErrorCode.INVALID_RECORD),
    ("control batch, numbered", batch(b"a", producer=(1, 0, 0), attributes=CONTROL), ErrorCode.INVALID_RECORD),
    ("no sequence", batch(b"a", producer=(1, 0, -1)), ErrorCode.INVALID_RECORD),
    ("no epoch", batch(b"a", producer=(1, -1, 0)), ErrorCode.INVALID_RECORD),
    ("no sequence, of producer 0", batch(b"a", producer=(0, 0, -1)), ErrorCode.INVALID_RECORD),
    ("log append time", batch(b"a", attributes=8), ErrorCode.INVALID_TIMESTAMP),
    ("too far ahead", batch(b"a", timestamp=NOW + 3_600_001), ErrorCode.INVALID_TIMESTAMP),
    ("delete horizon", batch(b"a", attributes=DELETE_HORIZON), ErrorCode.INVALID_RECORD),
    ("before all time", batch(b"a", timestamp=-(2**63)), ErrorCode.INVALID_TIMESTAMP),
    ("after all time", batch(b"a", timestamp=2**63 - 1), ErrorCode.INVALID_TIMESTAMP),
    ("too long", batch(b"x" * 2_000), ErrorCode.MESSAGE_TOO_LARGE),
]


@pytest.mark.parametrize(("data", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_client_batch_is_refused_with_kafkas_error(tmp_path: Path, data: bytes, error: ErrorCode) -> None:
    house = LogHouse(tmp_path, LogConfig(max_message_bytes=1_500))
    log = house.open()
    append(log, GOOD)
    refused = refuse(log, data)
    assert refused.error is error and refused.message
    assert house.content() and log.log_end_offset == 2 and len(headers(house.content())) == 1


def compressed(data: bytes, codec: Codec) -> bytes:
    payload = data[61:] if codec is Codec.NONE else compress(codec, data[61:])
    return with_crc(changed(changed(data[:61], ">i", 8, 49 + len(payload)), ">h", 21, codec) + payload)


@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name.lower())
def test_a_batch_of_few_records_is_never_taken_with_a_count_that_is_not_theirs(codec: Codec) -> None:
    taken_as = [compressed(many(batch(b"x" * 300), count), codec) for count in (1, 2, 3, 40, 10_000, 38_000_000)]
    verdicts = [judged(each, LogConfig()) for each in taken_as]
    assert isinstance(verdicts[0], Valid)
    for refused in verdicts[1:]:
        assert isinstance(refused, Refused) and refused.error is ErrorCode.INVALID_RECORD
    behind = judged(compressed(many(batch(b"a", b"b", b"c"), 2), codec), LogConfig())
    assert isinstance(behind, Refused) and behind.error is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name.lower())
def test_a_batch_of_many_records_is_never_taken_where_the_rest_has_no_room_for_them(codec: Codec) -> None:
    some = batch(*[b""] * 100)
    assert isinstance(judged(compressed(some, codec), LogConfig()), Valid)
    lie = judged(compressed(many(some, 30_000_000), codec), LogConfig())
    assert isinstance(lie, Refused) and lie.error is ErrorCode.INVALID_RECORD


def test_a_record_of_a_negative_length_is_no_record() -> None:
    for length in (-1, -7, -(2**40)):
        data = GOOD[:61] + varint(length) + GOOD[62:]
        lie = judged(changed(data, ">i", 8, len(data) - 12), LogConfig())
        assert isinstance(lie, Refused)


COMPACTED = LogConfig(cleanup_policy=frozenset({"compact"}))


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (record(1, b"k", b"v", -1), ErrorCode.INVALID_TIMESTAMP),
        (record(2, b"k", b"v"), ErrorCode.INVALID_RECORD),
        (record(0, b"k", b"v"), ErrorCode.INVALID_RECORD),
        (record(-1, b"k", b"v"), ErrorCode.INVALID_RECORD),
        (record(10**12, b"k", b"v"), ErrorCode.INVALID_RECORD),
        (record(1, b"k", b"v", 2**66), ErrorCode.INVALID_RECORD),
    ],
    ids=["before all time", "skips", "repeats", "goes back", "leaves", "no time at all"],
)
def test_a_compacted_topic_looks_at_the_time_and_the_offset_of_every_record(second: bytes, error: ErrorCode) -> None:
    head = batch((b"k", b"v"), (b"k", b"v"), timestamp=-(2**63) + NOW + 1)[:61]
    data = with_crc(changed(head, ">i", 8, 49 + len(FIRST + second)) + FIRST + second)
    refused = judged(data, COMPACTED)
    assert isinstance(refused, Refused) and refused.error is error
    sound = with_crc(changed(head, ">i", 8, 49 + 2 * len(FIRST)) + FIRST + record(1, b"k", b"v"))
    assert isinstance(judged(sound, COMPACTED), Valid)


FIRST = record(0, b"k", b"v")


def test_the_bounds_of_time_are_the_topics(tmp_path: Path) -> None:
    config = LogConfig(message_timestamp_before_max_ms=100, message_timestamp_after_max_ms=50)
    log = LogHouse(tmp_path, config).open()
    for timestamp in (NOW - 100, NOW + 50, -1):
        append(log, batch(b"a", timestamp=timestamp))
    for timestamp in (NOW - 101, NOW + 51):
        assert refuse(log, batch(b"a", timestamp=timestamp)).error is ErrorCode.INVALID_TIMESTAMP


def test_the_first_millisecond_of_all_is_a_time_like_others() -> None:
    config = LogConfig(message_timestamp_before_max_ms=100)
    refused = judged(batch(b"a", timestamp=0), config)
    assert isinstance(refused, Refused) and refused.error is ErrorCode.INVALID_TIMESTAMP


def judged(data: bytes, config: LogConfig, origin: Origin = Origin.CLIENT) -> Valid | Refused:
    return validate(memoryview(bytearray(data)), config, origin, NOW)


def test_a_batch_longer_than_a_segment_is_refused(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig(segment_bytes=500)).open()
    assert refuse(log, batch(b"x" * 600)).error is ErrorCode.RECORD_LIST_TOO_LARGE


def test_a_batch_may_be_just_as_long_as_the_topic_and_a_segment_allow() -> None:
    size = len(GOOD)
    assert isinstance(judged(GOOD, LogConfig(max_message_bytes=size, segment_bytes=size)), Valid)
    too_large = judged(GOOD, LogConfig(max_message_bytes=size - 1))
    assert isinstance(too_large, Refused) and too_large.error is ErrorCode.MESSAGE_TOO_LARGE
    too_long = judged(GOOD, LogConfig(segment_bytes=size - 1), Origin.COORDINATOR)
    assert isinstance(too_long, Refused) and too_long.error is ErrorCode.RECORD_LIST_TOO_LARGE


def test_a_batch_may_hold_as_many_records_as_fit_and_more_where_it_is_compressed() -> None:
    smallest = batch((None, b""), (None, b""))
    assert (len(smallest) - 61) // 7 == 2 and isinstance(judged(smallest, LogConfig()), Valid)
    [compressed] = taken(batch(*[b""] * 500), LogConfig(compression_type="zstd"))
    assert len(compressed) < 61 + 500 * 7
    assert taken(compressed, LogConfig()) == [compressed]


@pytest.mark.parametrize("policy", ["delete", "compact"])
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_no_record_of_a_compressed_batch_is_longer_than_the_topic_allows_where_it_says_so(
    codec: str, policy: str
) -> None:
    plain = batch((b"k", b"x"), *[(b"k", b"x" * 1000)] * 30)
    length = 1000 + 8
    [swells] = taken(plain, LogConfig(compression_type=codec))

    def limited(to: int) -> LogConfig:
        return LogConfig(max_decompressed_message_bytes=to, cleanup_policy=frozenset({policy}))

    assert taken(swells, limited(length)) == [swells]
    refused = judged(swells, limited(length - 1))
    assert isinstance(refused, Refused) and refused.error is ErrorCode.INVALID_RECORD
    assert refused.message == f"record 1 has {length} bytes, and max.decompressed.message.bytes is {length - 1}"
    broken = judged(with_crc(swells[:61] + bytes(len(swells) - 61)), limited(length))
    assert isinstance(broken, Refused) and broken.error is ErrorCode.INVALID_RECORD
    assert taken(plain, limited(100)) == [plain], "what is not compressed is as long as it is"
    assert taken(swells, limited(100), Origin.COORDINATOR) == [swells]


def test_a_worker_undoes_what_is_long() -> None:
    [swells] = taken(batch(b"x" * 100_000), LogConfig(compression_type="zstd"))
    assert not is_long(memoryview(swells), LogConfig())
    assert is_long(memoryview(swells), LogConfig(max_decompressed_message_bytes=1_000))


def taken(data: bytes, config: LogConfig, origin: Origin = Origin.CLIENT) -> list[bytes]:
    """The batches as they would be appended."""
    valid = judged(data, config, origin)
    assert isinstance(valid, Valid), valid
    return [bytes(valid.records[position : position + header.size_bytes]) for position, header in valid.batches]


@pytest.mark.parametrize(
    ("tail", "error"),
    [(GOOD[:-1], ErrorCode.CORRUPT_MESSAGE), (GOOD[:10], ErrorCode.CORRUPT_MESSAGE)],
    ids=["cut off", "undersized"],
)
def test_a_coordinators_batches_are_all_looked_at(tail: bytes, error: ErrorCode) -> None:
    refused = judged(GOOD + tail, LogConfig(), Origin.COORDINATOR)
    assert isinstance(refused, Refused) and refused.error is error


def test_what_is_compressed_already_and_what_ends_a_transaction_stays_as_it_came() -> None:
    gzip = LogConfig(compression_type="gzip")
    [usual] = taken(batch(b"value" * 20), gzip)
    payload = compress(Codec.GZIP, batch(b"value" * 20)[61:], level=1)
    quick = with_crc(usual[:8] + struct.pack(">i", 49 + len(payload)) + usual[12:61] + payload)
    assert quick != usual and taken(quick, gzip) == [quick]
    ended = marker(1, 0, commit=True)
    assert taken(ended, gzip, Origin.COORDINATOR) == [ended]


def test_a_batch_may_become_too_long_by_being_compressed_anew() -> None:
    [small] = taken(batch(b"x" * 1_000), LogConfig(compression_type="gzip"))
    whole = len(batch(b"x" * 1_000))
    assert taken(small, LogConfig(compression_type="uncompressed", max_message_bytes=whole))
    refused = judged(small, LogConfig(compression_type="uncompressed", max_message_bytes=whole - 1))
    assert isinstance(refused, Refused) and refused.error is ErrorCode.MESSAGE_TOO_LARGE


def test_every_batch_of_a_coordinator_gets_the_brokers_time() -> None:
    valid = judged(GOOD + batch(b"x"), LogConfig(message_timestamp_type="LogAppendTime"), Origin.COORDINATOR)
    assert isinstance(valid, Valid)
    assert [(header.record_count, header.max_timestamp) for _, header in valid.batches] == [(2, NOW), (1, NOW)]


def test_what_cannot_be_unpacked_cannot_be_compressed_anew() -> None:
    [small] = taken(batch(b"x" * 1_000), LogConfig(compression_type="gzip"))
    refused = judged(with_crc(small[:61] + bytes(len(small) - 61)), LogConfig(compression_type="uncompressed"))
    assert isinstance(refused, Refused) and refused.error is ErrorCode.CORRUPT_MESSAGE and refused.message


def test_a_compacted_topic_takes_only_records_with_keys_and_names_each_that_has_none(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig(cleanup_policy=frozenset({"compact"}))).open()
    append(log, batch((b"k", b"v"), (b"", None)))
    refused = refuse(log, batch((b"k", b"v"), (None, b"v"), (b"k", b"v"), (None, b"w")))
    assert refused.error is ErrorCode.INVALID_RECORD
    assert refused.record_errors == [(1, refused.message), (3, refused.message)] and refused.message


def test_no_more_faults_are_named_than_a_batch_of_librdkafka_has_records(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig(cleanup_policy=frozenset({"compact"}))).open()
    refused = refuse(log, batch(*[(None, b"v")] * (MOST_FAULTS + 1)))
    assert [index for index, _ in refused.record_errors] == list(range(MOST_FAULTS))
    short = refuse(log, many(batch((b"k", b"v" * 20)), 2))
    assert short.error is ErrorCode.INVALID_RECORD and short.message


def test_a_coordinator_may_write_what_a_client_may_not(tmp_path: Path) -> None:
    log = LogHouse(tmp_path, LogConfig(max_message_bytes=100)).open()
    append(log, marker(1, 0, commit=True), origin=Origin.COORDINATOR)
    append(log, batch(b"x" * 200) + batch(b"y"), origin=Origin.COORDINATOR)
    assert headers(some(log.read(0, 1 << 20)).read())[0].attributes & CONTROL


@pytest.mark.parametrize("name", ["gzip", "snappy", "lz4", "zstd", "uncompressed"])
def test_batches_are_compressed_anew_as_the_topic_asks(tmp_path: Path, name: str) -> None:
    house = LogHouse(tmp_path, LogConfig(compression_type=name))
    log = house.open()
    append(log, batch(*[b"value" * 20] * 3, producer=(4, 0, 0), timestamps=[10, 11, 9]), epoch=2)
    [header] = headers(house.content())
    codec = Codec(header.attributes & 7)
    assert codec.name.lower() == ("none" if name == "uncompressed" else name)
    assert (header.base_offset, header.record_count, header.base_sequence, header.leader_epoch) == (0, 3, 0, 2)
    payload = house.content()[61:]
    plain = bytes(payload if codec is Codec.NONE else decompress(codec, payload, 1 << 20))
    as_plain = with_crc(
        house.content()[:8]
        + struct.pack(">i", 49 + len(plain))
        + house.content()[12:22]
        + b"\0"
        + house.content()[23:61]
        + plain
    )
    assert [(offset, time, value) for offset, time, _, value in records(as_plain)] == [
        (0, 10, b"value" * 20),
        (1, 11, b"value" * 20),
        (2, 9, b"value" * 20),
    ]
    log.close(clean=False)
    assert house.open(clean=False).log_end_offset == 3, "the checksum was made anew"
    again = append(house.open(), batch(*[b"value" * 20] * 3, producer=(4, 0, 0), timestamps=[10, 11, 9]), epoch=2)
    assert again.duplicate


def test_what_was_stamped_beforehand_is_taken_though_the_topic_was_configured_anew_meanwhile(tmp_path: Path) -> None:
    before = LogConfig(message_timestamp_type="LogAppendTime")
    log = LogHouse(tmp_path, LogConfig(message_timestamp_type="LogAppendTime", retention_ms=1)).open()
    sent = memoryview(bytearray(GOOD))
    validated = validate_beforehand(sent, before, NOW - 1)
    assert isinstance(validated.outcome, Valid)
    appended = log.append_as_leader(sent, leader_epoch=0, now_ms=NOW, validated=validated)
    assert not isinstance(appended, Refused), appended
    assert appended.log_append_time_ms == NOW
