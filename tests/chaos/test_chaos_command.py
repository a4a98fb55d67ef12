"""`odradek chaos` until enough has happened: the long runs are `make soak`'s."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from odradek.testing.chaos.drifting_clock import libfaketime


def chaos(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "odradek_cli", "chaos", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def chaos_until(is_enough: Callable[[list[str]], bool], *arguments: str, seconds: float = 240) -> tuple[int, str]:
    """Of a run that is ended by Ctrl-C when what it said of its faults is enough: exit code, and its verdict."""
    command = [sys.executable, "-m", "odradek_cli", "chaos", "--for", "1h", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said: list[str] = []
        for line in running.stderr:
            said.append(line)
            if is_enough(said):
                running.send_signal(signal.SIGINT)
                break
        out, err = running.communicate(timeout=seconds)
    return running.returncode, out + err


def healed(said: list[str]) -> set[str]:
    """Of which nodes a fault is over."""
    return {line.split()[3] for line in said if line.split()[2] == "healed"}


def kinds_of(said: list[str]) -> set[str]:
    return {line.split()[2] for line in said} - {"healed"}


@pytest.mark.slow
def test_kills_and_pauses_end_with_a_clean_verdict_and_a_history(tmp_path: Path) -> None:
    history, picture = tmp_path / "history.jsonl", tmp_path / "picture.png"
    faults = ["--fault", "kill-leader", "--fault", "pause-follower", "--fault", "restart"]

    def two_are_over(said: list[str]) -> bool:
        return len(kinds_of(said)) >= 2 and len(healed(said)) >= 2

    code, verdict = chaos_until(two_are_over, "--seed", "3", "--history", str(history), *faults)
    assert code == 0, verdict
    assert "\nclean" in verdict
    entries = [json.loads(line) for line in history.read_text().splitlines()]
    kinds = Counter(entry["type"] for entry in entries)
    assert f"\n{kinds['write']:,} sent, " in verdict
    assert kinds["write"] > 0
    assert kinds["fault"] >= 4
    assert not picture.exists()


@pytest.mark.slow
def test_what_an_administrator_does_under_load_costs_no_record_and_no_commit(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    kinds = ["elect-preferred", "reassign", "min-insync", "segments", "make-anew"]
    faults = [word for kind in kinds for word in ("--fault", kind)]
    code, verdict = chaos_until(
        lambda said: len(kinds_of(said)) >= 4, "--seed", "2", "--history", str(history), *faults
    )
    assert code == 0, verdict
    entries = [json.loads(line) for line in history.read_text().splitlines()]
    assert any(entry["type"] == "commit" for entry in entries)
    assert {entry["topic"] for entry in entries if entry["type"] == "write"} == {"chaos", "chaos-1"}


@pytest.mark.slow
def test_a_client_that_means_harm_ends_no_broker_and_keeps_nobody_from_being_served() -> None:
    code, verdict = chaos_until(lambda said: len(healed(said)) >= 1, "--seed", "4", "--fault", "hostile-client")
    assert code == 0, verdict
    assert "hostile-client" in verdict


@pytest.mark.slow
def test_transactions_are_whole_through_the_death_of_a_broker(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    code, verdict = chaos_until(
        lambda said: len(healed(said)) >= 1,
        *("--workload", "transactions", "--seed", "4", "--fault", "kill-follower", "--fault", "kill-leader"),
        *("--history", str(history)),
    )
    assert code == 0, verdict
    assert "\nclean: every transaction was whole or not at all" in verdict
    entries = [json.loads(line) for line in history.read_text().splitlines()]
    programs = {entry["program"].partition("-")[0] for entry in entries if entry["type"] == "transfer"}
    assert programs == {"teller", "copier", "last"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_one_of_three_etcds_may_die_or_stand_still_at_any_time() -> None:
    faults = [word for kind in ("kill-etcd", "pause-etcd", "kill-controller") for word in ("--fault", kind)]

    def an_etcd_is_back(said: list[str]) -> bool:
        return any("etcd" in node for node in healed(said)) and len(kinds_of(said)) >= 2

    code, verdict = chaos_until(an_etcd_is_back, "--journal", "etcd", *faults)
    assert code == 0, verdict


@pytest.mark.slow
@pytest.mark.skipif(libfaketime() is None, reason="libfaketime is not installed")
def test_clocks_may_drift_and_jump() -> None:
    code, verdict = chaos_until(lambda said: len(healed(said)) >= 2, "--fault", "clock-drift")
    assert code == 0, verdict


@pytest.mark.slow
def test_what_makes_no_sense_is_refused_in_one_line() -> None:
    assert chaos("--for", "soon").returncode == 2
    unknown = chaos("--fault", "earthquake")
    assert unknown.returncode == 2
    assert "--fault earthquake: one of kill-leader, " in unknown.stderr
    assert chaos("--journal", "paper").returncode == 2
    assert chaos("--rate", "0").returncode == 2
    assert chaos("--history", "/no/such/directory/history.jsonl").returncode == 2
    alone = chaos("--brokers", "1", "--fault", "kill-follower")
    assert (alone.returncode, alone.stderr.splitlines()[-1]) == (1, "odradek: kill-follower needs a second broker")
    no_etcd = chaos("--fault", "kill-etcd")
    assert (no_etcd.returncode, no_etcd.stderr.splitlines()[-1]) == (1, "odradek: kill-etcd needs --journal etcd")
    unset = chaos("--brokers", "1", "--set", "no.such.setting=3")
    assert unset.returncode == 1
    assert "no.such.setting" in unset.stderr
    assert "Traceback" not in unset.stderr


@pytest.mark.slow
def test_a_broker_that_crashes_by_itself_makes_a_run_unclean() -> None:
    command = [sys.executable, "-m", "odradek_cli", "chaos", "--fault", "slow-leader", "--rate", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "slow-leader" in running.stderr.readline()
        os.kill(a_broker_of(running.pid), signal.SIGSEGV)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=240)
    assert running.returncode == 1
    assert "BAD   crash: 1" in out
    assert "lost-write" not in out


def a_broker_of(pid: int) -> int:
    children = psutil.Process(pid).children()
    return int(next(each.pid for each in children if "--set=process.roles=broker" in each.cmdline()))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_of_everything_end_clean(seed: int) -> None:
    done = chaos("--for", "10m", "--seed", str(seed), seconds=1500)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_a_secured_cluster_over_etcd_keeps_strangers_out_while_a_broker_dies() -> None:
    code, verdict = chaos_until(
        lambda said: len(healed(said)) >= 1,
        *("--secure", "--journal", "etcd", "--etcd-members", "1", "--seed", "4", "--fault", "kill-follower"),
    )
    assert code == 0, verdict
    assert "\nclean" in verdict
