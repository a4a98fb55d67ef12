"""The time by which data is too old, which a jump of the wall clock does not take along.

What a clock says that somebody has set, or that a bad time server has, would make a day's records a year old at once,
and what retention has deleted nobody brings back. So the wall clock is believed only as far as the monotonic one, which
nobody sets, has moved as well:

    it runs ahead   by more than TOLERANCE_MS, and a hundredth of the time gone by: a jump. Time goes on as if it had
                    not happened, for HOLD_MS; that is said when it begins, so there is a day to mend the clock
    for longer      it is believed from then on, which is said too: the machine had slept, or its clock had been wrong
    it falls        it is believed at once: what is younger is kept longer. Where it comes back within HOLD_MS, no
                    further than it would be by now had it not fallen, that is no jump

What happened before the start nobody knows here: a broker that is started by a wrong clock goes by it.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from odradek_broker.ports.clock import Clock

logger = logging.getLogger(__name__)

TOLERANCE_MS = 60_000
TOLERATED_SHARE = 100
HOLD_MS = 24 * 60 * 60 * 1000


class SteadyNow(NamedTuple):
    ms: int
    news: str | None = None
    """For the operator, when a jump is first seen and when it is believed."""


class Reading(NamedTuple):
    """What both clocks showed, or would have shown, at one moment."""

    wall_ms: int
    monotonic_ms: int

    def is_followed_by(self, wall_ms: int, monotonic_ms: int) -> bool:
        """Whether a clock that goes as clocks go shows no less by now."""
        passed_ms = monotonic_ms - self.monotonic_ms
        return wall_ms - self.wall_ms - passed_ms <= TOLERANCE_MS + passed_ms // TOLERATED_SHARE


class SteadyTime:
    """Made when the broker starts; all times are milliseconds."""

    def __init__(self, wall_ms: int, monotonic_ms: int) -> None:
        self._believed = Reading(wall_ms, monotonic_ms)
        self._held_since_ms: int | None = None
        """By the monotonic clock."""
        self._fallen_from: Reading | None = None

    def now(self, wall_ms: int, monotonic_ms: int) -> SteadyNow:
        """The time; never later than the wall clock's."""
        expected_ms = self._believed.wall_ms + monotonic_ms - self._believed.monotonic_ms
        ahead_ms = wall_ms - expected_ms
        self._note_fall(expected_ms, ahead_ms, monotonic_ms)
        if self._held_since_ms is None and self._believed.is_followed_by(wall_ms, monotonic_ms):
            return self._believe(wall_ms, monotonic_ms)
        is_back = self._fallen_from is not None and self._fallen_from.is_followed_by(wall_ms, monotonic_ms)
        if is_back or ahead_ms <= TOLERANCE_MS:
            return self._believe(wall_ms, monotonic_ms, "the clock is right again: what is old goes by it")
        if self._held_since_ms is None:
            self._held_since_ms = monotonic_ms
            news = (
                f"the clock has jumped {ahead_ms // 1000} s ahead: nothing is deleted, compacted or forgotten for being"
                f" old by that time before {HOLD_MS // 3_600_000} hours are over. Set it right, or restart the broker"
                " to go by it at once"
            )
            return SteadyNow(expected_ms, news)
        if monotonic_ms - self._held_since_ms >= HOLD_MS:
            return self._believe(wall_ms, monotonic_ms, "the clock that had jumped is believed from now on")
        return SteadyNow(expected_ms)

    def _note_fall(self, expected_ms: int, ahead_ms: int, monotonic_ms: int) -> None:
        if self._fallen_from is not None and monotonic_ms - self._fallen_from.monotonic_ms >= HOLD_MS:
            self._fallen_from = None
        if self._fallen_from is None and ahead_ms < -TOLERANCE_MS:
            self._fallen_from = Reading(expected_ms, monotonic_ms)

    def _believe(self, wall_ms: int, monotonic_ms: int, news: str | None = None) -> SteadyNow:
        self._believed, self._held_since_ms = Reading(wall_ms, monotonic_ms), None
        return SteadyNow(wall_ms, news)


class SteadyClock:
    """A Clock whose wall time goes by that: for whatever is deleted, compacted or forgotten because it is old."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._time = SteadyTime(clock.now_ms(), clock.monotonic_ms())

    def now_ms(self) -> int:
        now = self._time.now(self._clock.now_ms(), self._clock.monotonic_ms())
        if now.news is not None:
            logger.warning("%s", now.news)
        return now.ms

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()
