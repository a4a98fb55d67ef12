"""The benchmarks of three brokers run to their end, and sum up what they saw as they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from benchmarks.cluster.picture import draw
from benchmarks.measurement import Measurement
from benchmarks.report import write_markdown
from benchmarks.scale import NORMAL

ROOT = Path(__file__).parents[2]


def test_one_that_was_measured_more_often_is_compared_by_medians() -> None:
    gaps = Measurement("gap", "ms", False, "Kafka")
    for value in (900.0, 1000.0, 1100.0):
        gaps.add("Kafka", value)
    for value in (100.0, 200.0):
        gaps.add("Odradek", value)
    assert gaps.ratio("Odradek") == 0.15


def test_every_kill_falls_to_one_round() -> None:
    assert [NORMAL.share(20, number) for number in range(NORMAL.rounds)] == [7, 7, 6]


def test_the_table_has_the_baseline_first_and_blanks_where_nothing_was_measured(tmp_path: Path) -> None:
    alone, both = Measurement("alone", "s", False, "Kafka"), Measurement("both", "s", False, "Kafka")
    alone.add("Odradek", 1)
    both.add("Odradek", 1)
    both.add("Kafka", 2)
    write_markdown([alone, both], tmp_path / "table.md")
    assert (tmp_path / "table.md").read_text().splitlines() == [
        "| measured | unit | Kafka | Odradek |",
        "| --- | --- | --- | --- |",
        "| alone | s |  | 1 |",
        "| both | s | 2 | 1 (0.50×) |",
    ]


def test_without_timelines_there_is_no_picture(tmp_path: Path) -> None:
    draw([Measurement("in", "records/s", True, "Kafka")], tmp_path / "failover.png")
    assert not (tmp_path / "failover.png").exists()


@pytest.mark.soak
def test_a_leader_is_killed_and_drawn(tmp_path: Path) -> None:
    results, picture = tmp_path / "results.json", tmp_path / "failover.png"
    where = ["--json", str(results), "--failover-picture", str(picture), "--without", "Apache Kafka"]
    command = [sys.executable, "-m", "benchmarks.run", "cluster.failover", "--quick", *where]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    median, worst = json.loads(results.read_text())["measurements"]
    assert all(len(values) == 2 for values in median["values"].values())
    assert all(len(values) == 1 for values in worst["values"].values())
    assert picture.stat().st_size > 0
