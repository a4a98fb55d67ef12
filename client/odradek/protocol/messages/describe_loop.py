"""DescribeLoop (API key 20006, Odradek's own), version 0: how far a broker's loop is behind, and what has held it.

All that a broker does takes its turn in one loop. Kafka has no such API: a broker that has it advertises it to
Odradek's client.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Int16, Int32, Int64, String


class DescribeLoopRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20006
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0


class DescribeLoopResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20006
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    lag_ms: Int64 = 0
    """How late its last beat was; it beats many times a second."""
    longest_ms: Int64 = 0
    """The latest that any beat has been since the broker was started."""
    held_count: Int64 = 0
    """How often the loop was held for a tenth of a second and more."""
    culprit: String = ""
    """What held it then, the last time: functions of ours, the one that was called last first."""
