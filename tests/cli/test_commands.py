"""The commands, as a script would call them, against a broker."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from odradek import Record
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record as LogRecord
from odradek_cli.json_lines import line_of, parse_line
from referee import Odradek
from tests.cli.commands import Run

pytestmark = pytest.mark.slow


def test_a_topic_is_made_shown_changed_and_deleted(run: Run) -> None:
    run("topic", "create", "made", "-p", "2", "-c", "retention.ms=60000")
    rows = [json.loads(line) for line in run("topic", "list", "--json").stdout.splitlines()]
    assert {"topic": "made", "partitions": 2, "replication_factor": 1} in rows
    run("topic", "alter", "made", "-p", "3", "-c", "retention.ms=1000")
    described = run("topic", "describe", "made").stdout
    assert described.count("made\t") == 3
    assert "retention.ms\t1000" in described
    run("topic", "delete", "made")
    assert "made" not in run("topic", "list").stdout


def test_a_topic_that_exists_is_good_enough_where_that_is_said(run: Run) -> None:
    run("topic", "create", "once")
    assert "TOPIC_ALREADY_EXISTS" in run("topic", "create", "once", code=1).stderr
    run("topic", "create", "once", "--if-not-exists")
    whole = run("topic", "describe", "once", "--configs").stdout
    assert "cleanup.policy\tdelete\tdefault\n" in whole


def test_sizes_are_of_what_is_there_and_trim_takes_the_oldest(run: Run) -> None:
    run("topic", "create", "long", "-p", "2")
    run("produce", "long", "-p", "0", stdin="a\nb\nc\n")
    run("produce", "long", "-p", "1", stdin="d\n")
    assert run("topic", "trim", "long", "--before", "2").stdout == "long\t0\t2\nlong\t1\t1\n"
    rows = [json.loads(line) for line in run("topic", "sizes", "long", "--json").stdout.splitlines()]
    assert [(row["partition"], row["begin"], row["end"]) for row in rows] == [(0, 2, 3), (1, 1, 1)]
    assert all(row["bytes"] == row["bytes_on_all"] > 0 for row in rows)
    assert run("topic", "trim", "long", "-p", "0", "--before", "-1h").stdout == "long\t0\t2\n"
    assert run("topic", "trim", "long", "-p", "0", "--before", "latest").stdout == "long\t0\t3\n"
    assert "no partition 7" in run("topic", "trim", "long", "-p", "7", "--before", "now", code=1).stderr


def test_the_cluster_is_counted(run: Run, broker: Odradek) -> None:
    run("topic", "create", "counted", "-p", "3")
    summary, node = (json.loads(line) for line in run("cluster", "info", "--json").stdout.splitlines())
    assert (summary["brokers"], summary["under_replicated"], summary["without_leader"]) == (1, 0, 0)
    assert summary["partitions"] == node["leads"] == node["replicas"] >= 3
    assert node["address"] == broker.bootstrap


def test_what_fails_is_one_line_and_exit_code_1(run: Run) -> None:
    failed = run("topic", "describe", "nowhere", code=1)
    assert len(failed.stderr.splitlines()) == 1
    assert "UNKNOWN_TOPIC_OR_PARTITION" in failed.stderr
    assert run("tail", "nowhere", "--from", "soon", code=2).stdout == ""


def test_lines_become_records_and_tail_finds_them(run: Run) -> None:
    run("produce", "lines", "-K", ":", "-H", "h=1", "-z", "zstd", stdin='a:{"x":1}\nb:{"x":2}\na:{"x":3}\n')
    shown = [json.loads(line) for line in run("tail", "lines", "--last", "10", "--json").stdout.splitlines()]
    assert [(each["key"], each["value"]["x"], each["headers"]) for each in shown] == [
        ("a", 1, {"h": "1"}),
        ("b", 2, {"h": "1"}),
        ("a", 3, {"h": "1"}),
    ]
    assert len(run("tail", "lines", "--last", "2").stdout.splitlines()) == 2
    assert run("consume", "lines", "-n1", "-f", "%k %v;%o\\n").stdout == 'a {"x":3};2\n'
    assert run("tail", "lines", "-n1", "--raw", "--base64").stdout == "eyJ4IjozfQ==\n"
    found = run("tail", "lines", "--from", "earliest", "--no-follow", "--jq", ".x >= 2", "--key", "a").stdout
    assert found.endswith('2\ta\t{"x":3}\th=1\n')
    assert len(run("tail", "lines", "--from", "-1h", "--until", "now").stdout.splitlines()) == 3
    assert len(run("tail", "lines", "--until", "1").stdout.splitlines()) == 1


def test_what_tail_prints_as_json_can_be_produced_again(run: Run) -> None:
    run(
        "produce",
        "first",
        "--json",
        stdin='{"key": "k", "value": {"y": [1]}, "headers": {"q": "r"}}\n{"value": null}\n',
    )
    printed = run("tail", "first", "--last", "5", "--json").stdout
    run("produce", "second", "--json", stdin=printed)
    again = run("tail", "second", "--last", "5", "--json").stdout
    assert again == printed.replace('"first"', '"second"')


def test_records_of_any_bytes_pass_through_a_pipe_unchanged(run: Run) -> None:
    values: list[bytes | None] = [
        None,
        b"null",
        b'"abc"',
        b"",
        b"\xff\x00\n",
        b'{"a" : 1}',
        b'{"a":\n1}',
        b" 1",
        b"\x1b[2J",
    ]
    awkward = [Record("t", 0, 0, 1_700_000_000_000, each, each, (("h", each), ("h", each))) for each in values]
    run("produce", "from", "--json", stdin=b"".join(line_of(each) + b"\n" for each in awkward))
    printed = run("tail", "from", "-n100", "--json").stdout
    run("produce", "to", "--json", stdin=printed)
    assert run("tail", "to", "-n100", "--json").stdout == printed.replace('"topic":"from"', '"topic":"to"')
    assert [parse_line(line.encode()).value for line in printed.splitlines()] == values


def test_several_topics_are_merged_by_time(run: Run) -> None:
    for topic, times in (("odd", (1, 3, 5)), ("even", (2, 4, 6))):
        lines = "".join(json.dumps({"value": str(at), "timestamp": 1_700_000_000_000 + at}) + "\n" for at in times)
        run("produce", topic, "--json", stdin=lines)
    shown = run("tail", "odd", "even", "--from", "earliest", "--no-follow", "--json").stdout
    assert [json.loads(line)["value"] for line in shown.splitlines()] == [1, 2, 3, 4, 5, 6]


def test_log_verify_finds_a_flipped_bit(run: Run, broker: Odradek, tmp_path: Path) -> None:
    run("produce", "bits", stdin="one\ntwo\n")
    segment = broker.data_dir / "bits-0" / "00000000000000000000.log"
    assert '"value":"two"' in run("log", "dump", "--records", str(segment)).stdout
    assert run("log", "verify", str(segment)).stdout.rstrip().endswith("2\t" + str(segment.stat().st_size))
    torn = tmp_path / "torn"
    torn.write_bytes(segment.read_bytes()[:-1])
    assert "odradek: " in run("log", "dump", str(torn), code=1).stderr
    broken = bytearray(segment.read_bytes())
    broken[-3] ^= 1
    copy = tmp_path / "00000000000000000000.log"
    copy.write_bytes(broken)
    assert "checksum does not match" in run("log", "verify", str(tmp_path), code=1).stdout


def test_log_verify_looks_at_every_file_of_a_data_directory(run: Run, broker: Odradek, tmp_path: Path) -> None:
    run("produce", "bits", stdin="one\ntwo\n")
    data = shutil.copytree(broker.data_dir, tmp_path / "data")
    assert "__cluster_metadata-0" in run("log", "verify", str(data)).stdout
    for path, position, said in (
        (data / "__cluster_metadata-0" / "00000000000000000000.log", 70, "would be forgotten"),
        (data / "bits-0" / "00000000000000000000.log", 70, "the checksum does not match"),
        (data / "meta.properties", 0, "version"),
        (data / "bits-0" / "partition.metadata", 0, "not a topic id"),
    ):
        whole = path.read_bytes()
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        shown = run("log", "verify", str(data), code=1).stdout
        assert any(said in line and str(path.parent) in line for line in shown.splitlines()), shown
        path.write_bytes(whole)
    (data / "__consumer_offsets-3").mkdir()
    foreign = data / "__consumer_offsets-3" / "00000000000000000000.log"
    foreign.write_bytes(build_batch([LogRecord(value=b"no offset of any group")]))
    assert "record 0 cannot be understood" in run("log", "verify", str(data), code=1).stdout


def test_bench_says_what_it_did(run: Run) -> None:
    rows = [json.loads(line) for line in run("bench", "-n", "2000", "--size", "100", "--json").stdout.splitlines()]
    assert [(row["what"], row["records"]) for row in rows] == [("produce", 2000), ("consume", 2000)]
