"""The demo's screen: the last flights, and what the journey took."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from examples.flights.journey import FlightRecord, FlightTopic, Received
from examples.flights.source import Flight


@dataclass
class Measured:
    """Times in seconds, sizes in bytes."""

    flights: int
    plain_bytes: int
    """Keys and values before compression."""
    log_bytes: int | None
    """What a broker has on its disk for them; None where that is not ours to see."""
    brokers: int
    """How many of our own; 0 where they are somebody else's."""
    start_s: float
    killed: str
    """The names of those that were killed half-way."""
    gap_s: float | None
    """Until the next record of the killed leader's partition was acknowledged."""
    produce_s: float
    consume_s: float
    compare_s: float


def plain_size(topic: FlightTopic, flights: list[Flight]) -> int:
    return sum(
        len(topic.encode_key(flight.tailnum) or b"") + len(topic.encode_value(flight) or b"") for flight in flights
    )


def log_size(data_dir: Path, topic: FlightTopic) -> int:
    return sum(file.stat().st_size for file in data_dir.rglob(f"{topic.name}-*/*.log"))


def show_tail(console: Console, records: list[FlightRecord]) -> None:
    table = Table(title="The last ten", title_justify="left", box=None, pad_edge=False)
    for heading in ("partition", "offset", "tail number", "date", "flight", "from", "to", "delay"):
        table.add_column(heading, justify="right" if heading in ("partition", "offset", "delay") else "left")
    for record in records:
        flight = record.value
        delay = "cancelled" if flight.dep_time is None else f"{flight.dep_delay:+d} min"
        table.add_row(
            str(record.partition),
            str(record.offset),
            record.key or "none",
            f"{flight.year}-{flight.month:02d}-{flight.day:02d}",
            f"{flight.carrier}{flight.flight}",
            flight.origin,
            flight.dest,
            delay,
        )
    console.print(table)


def show_measured(console: Console, measured: Measured, members: list[Received]) -> None:
    table = Table(title="\nThe journey", title_justify="left", box=None, pad_edge=False, show_header=False)
    if measured.brokers:
        table.add_row(
            "ready", f"{measured.brokers} brokers and a controller, {measured.start_s:.2f} s after their start"
        )
    table.add_row("produced", _rate(measured.flights, measured.plain_bytes, measured.produce_s))
    if measured.gap_s is not None:
        after = f"{measured.gap_s * 1000:,.0f} ms until its partition acknowledged the next record"
        table.add_row("  half-way", f"{measured.killed} was killed: {after}")
    table.add_row("consumed", _rate(measured.flights, measured.plain_bytes, measured.consume_s))
    for number, member in enumerate(members, 1):
        table.add_row(f"  member {number}", f"{len(member.records):,} records of partitions {member.partitions}")
    if measured.log_bytes:
        ratio = measured.plain_bytes / measured.log_bytes
        sizes = f"{measured.plain_bytes / 1e6:.1f} MB of keys and JSON, {measured.log_bytes / 1e6:.1f} MB of log"
        table.add_row("size", f"{sizes}: zstd makes it {ratio:.1f} times smaller")
    table.add_row("compared", f"every flight with its source in {measured.compare_s:.1f} s: complete and in order")
    console.print(table)


def _rate(count: int, size_bytes: int, seconds: float) -> str:
    return (
        f"{count:,} records in {seconds:.1f} s: {count / seconds:,.0f} records/s, {size_bytes / seconds / 1e6:.1f} MB/s"
    )
