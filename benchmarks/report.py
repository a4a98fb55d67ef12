"""What was measured, as a table for the terminal, JSON for machines, and a picture for the guide."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Measurement

LIBRARIES = ("confluent-kafka", "aiokafka", "trio", "msgspec")


def print_tables(measurements: list[Measurement], about: str) -> None:
    """A table for each baseline: a row per measurement, a column per contender."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    for baseline in dict.fromkeys(each.baseline for each in measurements):
        rows = [each for each in measurements if each.baseline == baseline]
        console.print(_table(rows, f"Compared with {baseline} ({about})"))
    console.print("Medians (and the median of the rounds' ratios to the baseline); ↑ more is better, ↓ less is.")
    console.print("✓ reaches its goal, ✗ does not.")


def _table(rows: list[Measurement], title: str) -> Table:
    contenders = _contenders(rows)
    table = Table(title=title, title_justify="left")
    table.add_column("measured")
    table.add_column("unit")
    for name in contenders:
        table.add_column(name, justify="right")
    for each in rows:
        cells = [_cell(each, name) for name in contenders]
        table.add_row(each.name, each.unit + (" ↑" if each.higher_is_better else " ↓"), *cells)
    return table


def _contenders(rows: list[Measurement]) -> list[str]:
    """The baseline first."""
    names = dict.fromkeys(name for each in rows for name in each.values)
    return sorted(names, key=lambda name: name != rows[0].baseline)


def write_json(measurements: list[Measurement], path: Path, scale: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(),
        "scale": vars(scale),
        "measurements": [each.as_json() for each in measurements],
    }
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def write_markdown(measurements: list[Measurement], path: Path) -> None:
    """The tables as docs/benchmarks.md has them, one for each baseline."""
    tables = []
    for baseline in dict.fromkeys(each.baseline for each in measurements):
        rows = [each for each in measurements if each.baseline == baseline]
        contenders = _contenders(rows)
        lines = [["measured", "unit", *contenders], ["---"] * (2 + len(contenders))]
        lines += [[each.name, each.unit, *(_value(each, name) for name in contenders)] for each in rows]
        tables.append("".join(f"| {' | '.join(line)} |\n" for line in lines))
    path.write_text("\n".join(tables))


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _cell(measurement: Measurement, contender: str) -> str:
    value, reached = _value(measurement, contender), measurement.reached(contender)
    if reached is None:
        return value
    return f"{value} {'✓' if reached else '✗'}"


def _value(measurement: Measurement, contender: str) -> str:
    """The median and its ratio to the baseline's."""
    median, ratio = measurement.median(contender), measurement.ratio(contender)
    if median is None:
        return ""
    return number(median) if ratio is None else f"{number(median)} ({ratio:.2f}×)"


def number(value: float) -> str:
    """Three significant digits, thousands kept whole."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
