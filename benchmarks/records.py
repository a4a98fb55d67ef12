"""What a record costs in pure Python: nanoseconds to append and build, and to decode, by size of its value.

    python -m benchmarks.records

Each figure is the best of many rounds over one batch of 1,000 records with a key of 10 bytes, so that what else the
machine does counts little; the loop that calls `append` is part of it. The same for aiokafka, whose records are
compiled, where that is installed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, TypeAlias

from odradek.protocol.records.batch import crc_is_valid, read_header
from odradek.protocol.records.builder import BatchBuilder, HeaderPairs
from odradek.protocol.records.record import decode_batch

RECORDS = 1_000
ROUNDS = 100
VALUE_BYTES = (10, 100, 1_000)
KEY = b"user-12345"
NOW = 1_700_000_000_000
RECORDS_PER_MS = 8
HEADERS: HeaderPairs = (("trace", b"0123456789abcdef"),)

Prepare: TypeAlias = Callable[[int], Callable[[], object]]
"""By the size of a value, what is to be measured."""


def main() -> None:
    _print_row("ns per record", [f"{size:,} B" for size in VALUE_BYTES])
    rows: list[tuple[str, Prepare]] = [
        ("append and build", _encode),
        ("  with a header", lambda size: _encode(size, HEADERS)),
        ("  each at another time", lambda size: _encode(size, records_per_ms=1)),
        ("decode", _decode),
        ("  with a header", lambda size: _decode(size, HEADERS)),
        ("check the checksum", _check),
        *_aiokafka(),
    ]
    for name, prepare in rows:
        _print_row(name, [f"{measure(prepare(size)):.0f}" for size in VALUE_BYTES])


def _print_row(name: str, cells: list[str]) -> None:
    print(f"{name:<28}" + "".join(f"{cell:>10}" for cell in cells))


def measure(run: Callable[[], object]) -> float:
    """Nanoseconds per record of the best round."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(ROUNDS):
            before = perf_counter_ns()
            result = run()
            best = min(best, perf_counter_ns() - before)
            del result  # what it takes to free the records is not measured
    finally:
        gc.enable()
    return best / RECORDS


def _encode(size: int, headers: HeaderPairs = (), records_per_ms: int = RECORDS_PER_MS) -> Callable[[], bytearray]:
    value = bytes(size)

    def run() -> bytearray:
        builder = BatchBuilder()
        append = builder.append
        for place in range(RECORDS):
            append(KEY, value, headers, NOW + place // records_per_ms)
        return builder.build()

    return run


def _decode(size: int, headers: HeaderPairs = ()) -> Callable[[], object]:
    batch = _encode(size, headers)()
    return lambda: decode_batch(batch)


def _check(size: int) -> Callable[[], object]:
    batch = _encode(size)()
    return lambda: crc_is_valid(batch, 0, read_header(batch))


def _aiokafka() -> list[tuple[str, Prepare]]:
    try:
        from aiokafka.record.default_records import DefaultRecordBatchBuilder
        from aiokafka.record.memory_records import MemoryRecords
    except ImportError:
        return []

    def encode(size: int) -> Callable[[], Any]:
        value = bytes(size)

        def run() -> Any:
            builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**30)
            for place in range(RECORDS):
                builder.append(place, NOW + place // RECORDS_PER_MS, KEY, value, [])
            return builder.build()

        return run

    def decode(size: int) -> Callable[[], Any]:
        batch = bytes(_encode(size)())
        return lambda: [
            (r.offset, r.timestamp, r.key, r.value, r.headers) for r in MemoryRecords(batch).next_batch() or ()
        ]

    return [("aiokafka append and build", encode), ("aiokafka decode", decode)]


if __name__ == "__main__":
    main()
