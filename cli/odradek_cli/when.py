"""Places in a topic as people write them: an offset, a time, so long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

MAX_OFFSET = 2**63 - 1
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_span = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_duration = re.compile(r"-(\d+)(ms|s|m|h|d|w)")


class Place(Struct, frozen=True):
    """One of the two is set; neither is the end."""

    offset: int | None = None
    """-2 is the beginning."""
    timestamp_ms: int | None = None


BEGINNING = Place(offset=-2)
END = Place()


def parse_place(text: str, now_ms: int) -> Place:
    """earliest, latest, an offset, -10m, or a date and time (local unless it names its zone). Raises ValueError."""
    if text in ("earliest", "beginning"):
        return BEGINNING
    if text in ("latest", "end"):
        return END
    if text == "now":
        return Place(timestamp_ms=now_ms)
    duration = _duration.fullmatch(text)
    try:
        if text.isdecimal():
            offset = int(text)
            if offset <= MAX_OFFSET:
                return Place(offset=offset)
        elif duration is not None:
            return Place(timestamp_ms=_since_1970(now_ms - int(duration[1]) * UNITS_MS[duration[2]]))
        else:
            return Place(timestamp_ms=_since_1970(int(datetime.fromisoformat(text).timestamp() * 1000)))
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text} is no offset, time (2026-01-31T12:00) or duration (-10m)")


def parse_duration_ms(text: str) -> int:
    """90s, 15m, 1.5h. Raises ValueError."""
    match = _span.fullmatch(text)
    if match is None:
        raise ValueError(f"{text}: write 90s, 10m or 1h")
    return int(float(match[1]) * UNITS_MS[match[2]])


def _since_1970(timestamp_ms: int) -> int:
    """Before that, numbers have other meanings in Kafka's protocol. Raises ValueError."""
    if timestamp_ms < 0:
        raise ValueError
    return timestamp_ms


def show_moment(timestamp_ms: int) -> str:
    """A time as ISO 8601 in UTC; - for none."""
    if timestamp_ms < 0:
        return "-"
    seconds, ms = divmod(timestamp_ms, 1000)
    return f"{_show_second(seconds)}.{ms:03}Z"


@lru_cache(64)
def _show_second(seconds: int) -> str:
    """Records that follow on each other mostly share it. A time that no calendar has is the bare number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
