"""`odradek chaos` for a few seconds: the long runs are `make soak`'s."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def chaos(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "odradek_cli", "chaos", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def test_kills_and_pauses_end_with_a_clean_verdict_and_a_history(tmp_path: Path) -> None:
    history, picture = tmp_path / "history.jsonl", tmp_path / "picture.png"
    faults = ["--fault", "kill-leader", "--fault", "pause-follower", "--fault", "restart"]
    done = chaos("--for", "8s", "--seed", "3", "--history", str(history), *faults)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("clean")
    entries = [json.loads(line) for line in history.read_text().splitlines()]
    kinds = [entry["type"] for entry in entries]
    assert kinds.count("write") > 1000
    assert kinds.count("fault") >= 2
    assert not picture.exists()


def test_what_makes_no_sense_is_refused_in_one_line() -> None:
    assert chaos("--for", "soon").returncode == 2
    unknown = chaos("--fault", "earthquake")
    assert unknown.returncode == 1
    assert "there is no fault earthquake" in unknown.stderr


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_of_everything_end_clean(seed: int) -> None:
    done = chaos("--for", "10m", "--seed", str(seed), seconds=1500)
    assert done.returncode == 0, done.stdout + done.stderr
