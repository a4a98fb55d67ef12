"""Records of every shape, for examples and for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from odradek.protocol.records.record import Headers, Record

NOW = 1_700_000_000_000

maybe_bytes = st.none() | st.binary(max_size=20) | st.binary(min_size=60, max_size=200)
headers = st.lists(st.tuples(st.text(max_size=10), maybe_bytes), max_size=3).map(tuple)
timestamps = st.just(NOW) | st.integers(NOW - 10_000, NOW + 10_000) | st.integers(-1, 2**48)

EDGES = (0, 1, 63, 64, 127, 128, 8_191, 8_192, 100_000)
"""Lengths at which varints, and the tables for them, begin to be longer."""


def samples() -> list[Record]:
    """Records with all that may be null or empty, lengths at every edge, times that go both ways."""
    shapes: list[tuple[bytes | None, bytes | None, Headers]] = [(None, None, ()), (b"", b"", ()), (b"k", None, ())]
    shapes += [(b"k", b"v" * length, ()) for length in EDGES]
    shapes += [(b"k" * length, b"v", ()) for length in EDGES]
    shapes.append((None, b"v", (("", b""), ("empty", None), ("n" * 200, b"x" * 200), ("größe", b"\x00\xff"))))
    shapes.append((b"k", b"v", tuple((f"h{n}", bytes([n])) for n in range(100))))
    times = (NOW, NOW + 63, NOW + 64, NOW - 1, NOW + 8_191, NOW + 8_192, NOW - 100_000, NOW + 2**40, NOW)
    return [
        Record(place, times[place % len(times)], key, value, pairs) for place, (key, value, pairs) in enumerate(shapes)
    ]
