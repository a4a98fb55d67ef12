"""Records that have tripped clients and brokers: nulls, empties, raw bytes, repeated headers, odd timestamps."""

from __future__ import annotations

from collections.abc import Sequence

from referee.clients.interface import Read, Sent

YEAR_2001_MS = 1_000_000_000_000


def awkward_records(label: str) -> list[Sent]:
    """A fresh list in which every record says `label` somewhere, so that a mix-up is seen."""
    key = label.encode()
    return [
        Sent(key, b"plain value of " + key),
        Sent(None, b"no key " + key),
        Sent(key + b"-tombstone", None),
        Sent(b"", b"empty key " + key),
        Sent(key + b"-empty", b""),
        Sent(key + b"-bytes", bytes(range(256))),
        Sent(key + b"-unicode", "Garnspule ✶ 糸巻き ".encode() + key),
        Sent(key + b"-headers", b"headed", (("trace", b"1"), ("trace", b"2"), ("kind", key))),
        Sent(key + b"-odd-headers", b"headed", (("empty", b""), ("null", None), ("ünïcode", "✶".encode()))),
        Sent(key + b"-large", key * 4000),
        Sent(key + b"-later", b"2001, afternoon", timestamp_ms=YEAR_2001_MS + 5_000),
        Sent(key + b"-earlier", b"2001, morning", timestamp_ms=YEAR_2001_MS),
        *(Sent(b"%s-%d" % (key, number), b"value %d" % number) for number in range(20)),
    ]


def assert_same_records(
    read: Sequence[Read],
    sent: Sequence[Sent],
    *,
    first_offset: int = 0,
    partition: int = 0,
    between_ms: tuple[int, int],
) -> None:
    """`read` is `sent`, all of it, in order, at contiguous offsets; unset timestamps lie within `between_ms`."""
    began_ms, ended_ms = between_ms
    expected = []
    for index, record in enumerate(sent):
        timestamp_ms = record.timestamp_ms
        if timestamp_ms is None and index < len(read) and began_ms <= read[index].timestamp_ms <= ended_ms:
            timestamp_ms = read[index].timestamp_ms
        offset = first_offset + index
        expected.append(Read(partition, offset, timestamp_ms or -1, record.key, record.value, record.headers))
    assert list(read) == expected
