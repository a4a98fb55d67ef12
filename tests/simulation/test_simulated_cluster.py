"""Whole brokers in virtual time, under kills, power cuts, network cuts and full disks: every seed ends clean.

python tests/simulation/seeds.py FIRST COUNT SECONDS runs as many as wanted; a seed that fails, fails again likewise.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seeds import run_for, run_quietly, summary

SEEDS = 200
AT_A_TIME = 10
SECONDS = 3.0
LONG_SECONDS = 20.0
SOAK_S = float(os.environ.get("ODRADEK_SOAK_SECONDS", "600"))
FIRST_SOAK_SEED = int(os.environ.get("ODRADEK_SOAK_SEED", "10000"))


@pytest.fixture
def quiet() -> Iterator[None]:
    """Brokers in trouble have much to say."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("first", range(0, SEEDS, AT_A_TIME))
def test_two_hundred_seeds_end_clean(first: int) -> None:
    for seed in range(first, first + AT_A_TIME):
        result = run_quietly(seed, SECONDS)
        assert result.is_clean, f"seed {seed}: {result}"


@pytest.mark.soak
def test_as_many_seeds_as_there_is_time_for_end_clean(capsys: pytest.CaptureFixture[str]) -> None:
    results = []
    for seed, result in run_for(FIRST_SOAK_SEED, SOAK_S, LONG_SECONDS):
        assert result.is_clean, f"seed {seed}: {result}"
        results.append(result)
    with capsys.disabled():
        print(f"\n{summary(results)}")


@pytest.mark.slow
def test_a_seed_is_the_same_run_in_every_process() -> None:
    """Whatever Python's hash seed, and wherever objects lie in memory."""
    program = (
        "import logging, sys; logging.disable(logging.CRITICAL)\n"
        "noise = [bytearray(n * 37) for n in range(int(sys.argv[1]))]\n"
        "from one_run import run_seed; print(run_seed(7, 10.0).trace)"
    )
    traces = set()
    for number in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": number}
        done = subprocess.run(
            [sys.executable, "-c", program, f"{int(number) * 500}"],
            cwd=Path(__file__).parent,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        traces.add(done.stdout.strip())
    assert len(traces) == 1, traces
