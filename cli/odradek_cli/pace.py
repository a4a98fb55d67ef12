"""How fast something goes, said on one line while it goes on, and once more at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from odradek_cli.display import Progress

FIRST_AFTER_S = 1.0
BETWEEN_S = 0.2


class Pace:
    """Counts records and bytes. Says nothing where `progress` has no terminal."""

    def __init__(
        self, progress: Progress, total_bytes: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`total_bytes`: of the input, where that is known."""
        self.records = 0
        self.bytes = 0
        self._progress = progress
        self._total_bytes = total_bytes
        self._clock = clock
        self._started = clock()
        self._next = self._started + FIRST_AFTER_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.clear()
        if error is None:
            self._progress.say(f"{self.records:,} records, {_size(self.bytes)} in {self._seconds:.1f} s{self._rate()}")

    def add(self, records: int, size_bytes: int) -> None:
        self.records += records
        self.bytes += size_bytes
        now = self._clock()
        if now >= self._next:
            self._next = now + BETWEEN_S
            self._progress.show(f"{self.records:,} records, {_size(self.bytes)}{self._rate()}{self._remaining()}")

    @property
    def _seconds(self) -> float:
        return self._clock() - self._started

    def _rate(self) -> str:
        seconds = self._seconds
        return f", {self.records / seconds:,.0f}/s, {_size(self.bytes / seconds)}/s" if seconds >= FIRST_AFTER_S else ""

    def _remaining(self) -> str:
        if not self._total_bytes or not self.bytes:
            return ""
        share = min(1.0, self.bytes / self._total_bytes)
        left_s = round(self._seconds * (1 - share) / share)
        return f", {share:.0%}, {left_s // 60}:{left_s % 60:02} left"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
