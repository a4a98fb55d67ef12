"""`odradek log strays`, as a user types it, on the data directory of a broker that runs or does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odradek_broker.log.directory import LogDirectory
from odradek_broker.ports.disk import RealDisk
from tests.cli.commands import Done, call


def strays(*arguments: object, code: int = 0, stdin: str = "") -> Done:
    done = call("log", "strays", *map(str, arguments), stdin=stdin)
    assert done.code == code, done.stderr
    return done


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With one partition, and one that was set aside."""
    for name in ("kept-0", "my.topic-3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "00000000000000000000.log").write_bytes(b"x" * 100)
    in_use = LogDirectory.open(str(tmp_path), RealDisk(), cluster_id="c", node_id=1, new_directory_id=bytes(16))
    in_use.mark_stray("my.topic", 3, "0a1b")
    in_use.release()
    return tmp_path


def test_what_was_set_aside_is_listed_and_nothing_else(directory: Path) -> None:
    path = directory / "my.topic-3.0a1b-stray"
    assert strays("--data-dir", directory).stdout.split() == [str(path), "my.topic", "3", "100"]
    row = json.loads(strays("-d", directory, "--json").stdout)
    assert row == {"path": str(path), "topic": "my.topic", "partition": 3, "bytes": 100}


def test_of_a_cluster_each_nodes_directory_is_looked_into(directory: Path) -> None:
    assert "my.topic" in strays("-d", directory.parent).stdout


@pytest.mark.slow
def test_it_is_removed_only_when_that_is_said_twice(directory: Path) -> None:
    stray = directory / "my.topic-3.0a1b-stray"
    for answer in ("n\n", ""):
        refused = strays("-d", directory, "--remove", code=1, stdin=answer)
        assert "1 directories with 100 bytes" in refused.stderr
        assert stray.exists()
    strays("-d", directory, "--remove", stdin="y\n")
    assert not stray.exists()
    assert (directory / "kept-0" / "00000000000000000000.log").exists()


def test_it_is_removed_unasked_with_yes_also_while_the_broker_runs(directory: Path) -> None:
    in_use = LogDirectory.open(str(directory), RealDisk(), cluster_id="c", node_id=1, new_directory_id=bytes(16))
    try:
        strays("-d", directory, "--remove", "--yes")
        assert in_use.partitions() == [("kept", 0)]
        assert strays("-d", directory).stdout == ""
    finally:
        in_use.release()


def test_a_directory_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    strays("-d", tmp_path / "nowhere", code=2)
