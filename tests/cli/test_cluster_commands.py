"""`odradek up --brokers` and `odradek node`, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Done, call

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60


def odradek(*arguments: str, check: bool = True) -> Done:
    done = call(*arguments)
    assert not (check and done.code), done
    return done


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs is announced to these tests only."""
    tmp_path_factory.getbasetemp()  # the session's own is not to lie in ours
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", directory)
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        patch.setattr(tempfile, "tempdir", directory)
        yield


@pytest.fixture(scope="module")
def cluster(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path, str]]:
    """The process, its data directory, and where clients begin. Whoever kills a node starts it again."""
    tmp_path = tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "odradek_cli", "up", "--brokers", "2", "--port", "0", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "ODRADEK_NUM_PARTITIONS": "3", "ODRADEK_BOOTSTRAP_SERVER": "127.0.0.1:1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        ready = [process.stdout.readline() for _ in range(2)]
        assert all(line.startswith("ready 127.0.0.1:") for line in ready), ready
        yield process, tmp_path, ",".join(line.split()[1] for line in ready)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0


def nodes(data_dir: Path) -> dict[str, dict[str, object]]:
    listed = odradek("node", "list", "--json", "--data-dir", str(data_dir)).stdout.splitlines()
    return {row["node"]: row for row in map(json.loads, listed)}


def test_nodes_are_listed_killed_and_started(cluster: tuple[subprocess.Popen[str], Path, str]) -> None:
    _, data_dir, bootstrap = cluster
    where = ["--data-dir", str(data_dir)]
    assert {name: row["state"] for name, row in nodes(data_dir).items()} == {
        "controller": "up",
        "broker-0": "up",
        "broker-1": "up",
    }
    pid = int((data_dir / "broker-1" / "pid").read_text())
    assert nodes(data_dir)["broker-1"]["pid"] == pid
    odradek("topic", "create", "t", "-r", "2", "-b", bootstrap)
    killed = odradek("node", "kill", "leader-of", "t-0", *where).stdout
    assert killed.endswith("down\n")
    name = killed.split()[0]
    assert not (data_dir / name / "pid").exists()
    described = odradek("topic", "describe", "t", "--json").stdout  # whoever is up of the cluster that runs is asked
    assert f'"leader":{1 - int(name[-1])}' in described
    assert odradek("node", "start", name, *where).stdout.split()[-1] == "up"
    assert odradek("node", "pause", "0", *where).stdout.split()[-1] == "paused"
    assert odradek("node", "resume", "0", *where).stdout.split()[-1] == "up"


def test_a_broker_that_ends_by_itself_is_told_of_and_settings_of_the_environment_hold(
    cluster: tuple[subprocess.Popen[str], Path, str],
) -> None:
    process, data_dir, _ = cluster
    odradek("topic", "create", "u")
    assert len(odradek("topic", "describe", "u").stdout.splitlines()) == 3
    where = ["--data-dir", str(data_dir)]
    refused = odradek("node", "kill", "leader-of", "u-9", *where, check=False)
    assert (refused.code, refused.stderr) == (1, "odradek: u has no partition 9, but 3, from 0 on\n")
    os.kill(int((data_dir / "broker-1" / "pid").read_text()), signal.SIGKILL)
    assert process.stderr is not None
    said: list[str] = []
    while "broker-1" not in (line := process.stderr.readline()) or "by itself" not in line:
        assert line, said
        said.append(line)
    assert not [line for line in said if "no setting" in line]
    odradek("node", "start", "1", *where)
    assert "broker-1 is up" in process.stderr.readline()


def test_what_cannot_be_done_is_one_line_and_exit_code_one(cluster: tuple[subprocess.Popen[str], Path, str]) -> None:
    _, data_dir, _ = cluster
    for arguments in (["kill", "9"], ["start", "0"], ["kill", "leader-of", "t"]):
        done = odradek("node", *arguments, "--data-dir", str(data_dir), check=False)
        assert (done.code, len(done.stderr.splitlines())) == (1, 1), done.stderr
    elsewhere = odradek("node", "list", "--data-dir", "/nowhere", check=False)
    assert (elsewhere.code, len(elsewhere.stderr.splitlines())) == (1, 1)


def test_all_nodes_end_with_the_cluster_and_it_starts_again_on_its_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "odradek_cli", "up", "--brokers", "2", "--port", "0", "--data-dir", str(tmp_path)]
    for turn in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            bootstrap = ",".join(process.stdout.readline().split()[1] for _ in range(2))
            if turn == 0:
                odradek("topic", "create", "kept", "-r", "2", "-b", bootstrap)
            assert odradek("topic", "list", "-b", bootstrap).stdout.split()[0] == "kept"
            pids = [int((tmp_path / node / "pid").read_text()) for node in ("controller", "broker-0", "broker-1")]
            process.send_signal(signal.SIGKILL if turn else signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)
        for pid in pids:
            wait_until_gone(pid)
        assert turn or not list(tmp_path.glob("*/pid"))


def wait_until_gone(pid: int) -> None:
    """Not our child, so there is nothing to wait for but its end itself."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("needs pidfd_open")
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    readable, _, _ = select.select([descriptor], [], [], PATIENCE_SECONDS)
    os.close(descriptor)
    assert readable, f"process {pid} has outlived its cluster"


def test_a_broker_that_waits_for_its_controller_stops_when_told(tmp_path: Path) -> None:
    settings = {
        "process.roles": "broker",
        "controller.quorum.bootstrap.servers": "127.0.0.1:1",
        "listeners": "PLAINTEXT://127.0.0.1:0",
        "log.dir": str(tmp_path),
    }
    flags = [f"--set={name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "odradek_cli", "broker", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "cannot reach" in line or "waiting" in line or "listening" in line:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "Traceback" not in process.stderr.read()
