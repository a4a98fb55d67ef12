"""The measurements as one picture: how many times better than the baseline each contender is."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks.contenders import FSYNC, PAGE_CACHE
from benchmarks.measurement import Measurement
from benchmarks.report import machine, number

COLOURS = {PAGE_CACHE: "#2f6f9f", FSYNC: "#d08a2e"}
OTHER_COLOUR = "#5b8a5b"


def draw(measurements: list[Measurement], path: Path) -> None:
    """Bars to the right of 1 are better than the baseline, to the left worse, in every row; the values beside each."""
    rows = [(each, name) for each in measurements for name in each.values if each.in_picture and each.ratio(name)]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.34 * len(rows)))
    for position, (measurement, name) in enumerate(rows):
        advantage = _advantage(measurement, name)
        axes.barh(position, advantage - 1, left=1, color=COLOURS.get(name, OTHER_COLOUR), height=0.7)
        axes.text(max(advantage, 1) * 1.03, position, _label(measurement, name), va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{each.name} · {name}" for each, name in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(0.2, max(2.0, *(_advantage(each, name) for each, name in rows)) * 6)
    axes.set_xlabel("times better than the baseline (Apache Kafka 4.3.1 unless the row says otherwise); log scale")
    about = machine()
    axes.set_title(f"Same client, same machine, one run: {about['cores']} cores, Python {about['python']}", fontsize=10)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _advantage(measurement: Measurement, name: str) -> float:
    ratio = measurement.ratio(name) or 1
    return ratio if measurement.higher_is_better else 1 / ratio


def _label(measurement: Measurement, name: str) -> str:
    mine, base = measurement.median(name), measurement.median(measurement.baseline)
    assert mine is not None and base is not None
    return f"{_advantage(measurement, name):.2f}×   {number(mine)} vs {number(base)} {measurement.unit}"
