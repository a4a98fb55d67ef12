"""Sizes and times, to write defaults with."""

from __future__ import annotations

KIB, MIB, GIB = 1024, 1024**2, 1024**3
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
