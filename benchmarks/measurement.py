"""A measurement: one value per round and contender, summed up by its median, compared with a baseline by rounds."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Measurement:
    """Contender -> values. `goals` are ratios to `baseline` that are aimed at, `goal_values` bounds in `unit`.

    `timelines`, where there are any, show how one value came about: seconds and counts.
    """

    name: str
    unit: str
    higher_is_better: bool
    baseline: str
    goals: dict[str, float] = field(default_factory=dict)
    goal_values: dict[str, float] = field(default_factory=dict)
    in_picture: bool = True
    values: dict[str, list[float]] = field(default_factory=dict)
    timelines: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def add(self, contender: str, value: float) -> None:
        self.values.setdefault(contender, []).append(value)

    def median(self, contender: str) -> float | None:
        values = self.values.get(contender)
        return statistics.median(values) if values else None

    def ratio(self, contender: str) -> float | None:
        """The median of the rounds' ratios to the baseline: above 1 is faster where higher is better.

        Round by round, because a busy machine slows down those who run one after the other alike. Where one has been
        measured more often than the other there are no such rounds: then it is the ratio of the medians.
        """
        mine, base = self.values.get(contender, []), self.values.get(self.baseline, [])
        if not mine or not base or contender == self.baseline:
            return None
        if len(mine) != len(base):
            return statistics.median(mine) / statistics.median(base)
        return statistics.median(one / other for one, other in zip(mine, base, strict=True))

    def reached(self, contender: str) -> bool | None:
        """Whether every goal of the contender is reached; None where it has none, or its baseline did not run."""
        verdicts = []
        if contender in self.goals and (ratio := self.ratio(contender)) is not None:
            verdicts.append(self._is_enough(ratio, self.goals[contender]))
        if contender in self.goal_values and (median := self.median(contender)) is not None:
            verdicts.append(self._is_enough(median, self.goal_values[contender]))
        return all(verdicts) if verdicts else None

    def _is_enough(self, value: float, goal: float) -> bool:
        return value >= goal if self.higher_is_better else value <= goal

    def as_json(self) -> dict[str, Any]:
        medians = {each: self.median(each) for each in self.values}
        ratios = {each: self.ratio(each) for each in self.values if self.ratio(each) is not None}
        return {**asdict(self), "medians": medians, "ratios": ratios}
