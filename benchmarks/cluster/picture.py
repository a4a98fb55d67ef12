"""The kill of a leader as one picture: what a steady writer had acknowledged, 50 ms by 50 ms, of each contender."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks.contenders import KAFKA
from benchmarks.measurement import Measurement
from benchmarks.picture import COLOURS

KAFKA_COLOUR = "#7a7a7a"


def draw(measurements: list[Measurement], path: Path) -> None:
    """One row per contender that has a timeline, all on one axis of time; nothing if none has."""
    timelines = {name: line for each in measurements for name, line in each.timelines.items()}
    if not timelines:
        return
    figure, rows = plt.subplots(
        len(timelines), figsize=(10, 0.9 + 1.5 * len(timelines)), sharex=True, sharey=True, squeeze=False
    )
    for axes, (name, line) in zip(rows[:, 0], timelines.items(), strict=True):
        starts, counts = [start for start, _ in line], [count for _, count in line]
        step = starts[1] - starts[0]
        colour = KAFKA_COLOUR if name == KAFKA else COLOURS[name]
        axes.bar(starts, counts, width=step, align="edge", color=colour)
        axes.axvline(0, color="black", linewidth=1)
        axes.set_ylim(0, 3 * _usual(line))  # what a writer catches up with is higher than anything else
        axes.set_title(name, loc="left", fontsize=9)
    rows[-1, 0].set_xlim(starts[0], starts[-1] + step)
    rows[-1, 0].set_xlabel("seconds since the SIGKILL of the leader; 5,000 records/s, three replicas, acks=all")
    figure.supylabel("records acknowledged per 50 ms; cut off", fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _usual(line: list[tuple[float, int]]) -> float:
    """The mean before the kill."""
    before = [count for start, count in line if start < 0]
    return max(1.0, sum(before) / len(before))
