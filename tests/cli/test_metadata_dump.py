"""`odradek metadata dump`, as a user types it: on a directory that nobody uses, and on a cluster that runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from msgspec import Struct

from odradek.protocol.messages.metadata_records import (
    BrokerEndpoint,
    BrokerRegistrationChangeRecord,
    ConfigRecord,
    FeatureLevelRecord,
    NoOpRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    TopicRecord,
)
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.ports.disk import RealDisk
from tests.cli.commands import call

NOW_MS = 1_700_000_000_000
TOPIC_ID, TOPIC_ID_TEXT = b"\xfb" * 16, "-_v7-_v7-_v7-_v7-_v7-w"

DECISIONS: list[list[Struct]] = [
    [FeatureLevelRecord(name="metadata.version", feature_level=30)],
    [RegisterBrokerRecord(broker_id=0, broker_epoch=1, end_points=[BrokerEndpoint("PLAINTEXT", "here", 9092)])],
    [BrokerRegistrationChangeRecord(broker_id=0, broker_epoch=1, fenced=-1)],
    [
        TopicRecord(name="t", topic_id=TOPIC_ID),
        ConfigRecord(resource_type=2, resource_name="t", name="cleanup.policy", value="compact, delete"),
        PartitionRecord(
            partition_id=0,
            topic_id=TOPIC_ID,
            replicas=[0, 1],
            isr=[0, 1],
            leader=1,
            leader_epoch=0,
            partition_epoch=0,
        ),
    ],
    [PartitionChangeRecord(partition_id=0, topic_id=TOPIC_ID, isr=[0], leader=0, eligible_leader_replicas=[1])],
]


def dump(*arguments: object, code: int = 0, env: dict[str, str] | None = None) -> list[str]:
    """What it says: its lines, or of a failure the one line."""
    with mock.patch.object(tempfile, "tempdir", env["TMPDIR"] if env else None):
        done = call("metadata", "dump", *map(str, arguments))
    assert done.code == code, done.stderr
    return (done.stderr if code else done.stdout).splitlines()


def dump_json(*arguments: object, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dump(*arguments, "--json", env=env)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(tmp_path, DECISIONS)
    return tmp_path


def write(directory: Path, decisions: Sequence[list[Struct]]) -> None:
    journal = FileJournal(str(directory), RealDisk(), NOW_MS)
    for decision in decisions:
        journal.append(decision, NOW_MS)
    journal.close()


def test_a_record_is_a_line_with_kafkas_names_and_without_defaults(directory: Path) -> None:
    time = "2023-11-14T22:13:20.000Z"
    assert dump(directory) == [
        f"0  {time}  FeatureLevelRecord  name=metadata.version featureLevel=30",
        f"1  {time}  RegisterBrokerRecord  brokerId=0 incarnationId=AAAAAAAAAAAAAAAAAAAAAA brokerEpoch=1"
        " endPoints=[{name=PLAINTEXT host=here port=9092}]",
        f"2  {time}  BrokerRegistrationChangeRecord  brokerId=0 brokerEpoch=1 fenced=-1",
        f"3  {time}  TopicRecord  name=t topicId={TOPIC_ID_TEXT}",
        f'4  {time}  ConfigRecord  resourceType=2 resourceName=t name=cleanup.policy value="compact, delete"',
        f"5  {time}  PartitionRecord  partitionId=0 topicId={TOPIC_ID_TEXT} replicas=[0,1] isr=[0,1] leader=1"
        " leaderEpoch=0 partitionEpoch=0",
        f"6  {time}  PartitionChangeRecord  partitionId=0 topicId={TOPIC_ID_TEXT} isr=[0] leader=0"
        " eligibleLeaderReplicas=[1]",
    ]
    assert dump_json(directory)[6] == {
        "offset": 6,
        "timestamp": NOW_MS,
        "type": "PartitionChangeRecord",
        "fields": {
            "partitionId": 0,
            "topicId": TOPIC_ID_TEXT,
            "isr": [0],
            "leader": 0,
            "eligibleLeaderReplicas": [1],
        },
    }


def test_the_image_is_what_all_records_amount_to(directory: Path) -> None:
    shown = {row["type"]: row["fields"] for row in dump_json(directory, "--image")}
    assert (shown["broker"]["fenced"], shown["broker"]["endpoints"]) == (False, ["PLAINTEXT://here:9092"])
    assert shown["topic"] == {"name": "t", "topicId": TOPIC_ID_TEXT, "partitions": 1}
    assert shown["partition"] == {
        "topic": "t",
        "partition": 0,
        "leader": 0,
        "leaderEpoch": 1,
        "partitionEpoch": 1,
        "replicas": [0, 1],
        "isr": [0],
        "elr": [1],
    }
    assert "config  of=topic resource=t name=cleanup.policy" in "\n".join(dump(directory, "--image"))


@pytest.mark.slow
def test_a_snapshot_stands_for_what_lies_before_it(directory: Path) -> None:
    image = dump(directory, "--image")
    journal = FileJournal(str(directory), RealDisk(), NOW_MS)
    shown = MetadataImage()
    for entry in journal.replay():
        shown = replay(shown, entry.records, entry.last_offset)
    journal.append(DECISIONS[0], NOW_MS)
    journal.begin_snapshot(replay(shown, DECISIONS[0]))()
    journal.end_snapshot()
    journal.append([NoOpRecord()], NOW_MS + 1)
    journal.close()
    offsets = [row["offset"] for row in dump_json(directory)]
    assert set(offsets) == {7, 8} and offsets == sorted(offsets) and offsets.count(8) == 1
    assert dump(directory, "--image") == [image[0].replace("offset=6", "offset=8"), *image[1:]]


def test_looking_changes_nothing_and_a_half_written_batch_is_left_out(directory: Path) -> None:
    log = directory / "__cluster_metadata-0"
    (segment,) = log.glob("*.log")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in directory.rglob("*")}
    assert [row["offset"] for row in dump_json(log)] == [0, 1, 2, 3, 4, 5]
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in directory.rglob("*")} == before


@pytest.mark.slow
def test_what_cannot_be_read_is_one_line_and_exit_code_1(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    assert dump("/nowhere", code=1) == ["odradek: there is no /nowhere"]
    assert dump(empty, code=1) == [
        f"odradek: {empty} has no __cluster_metadata-0: it is no controller's data directory"
    ]
    (log := empty / "__cluster_metadata-0").mkdir()
    (log / f"{0:020}.log").touch()
    for how in ([], ["--image"], ["--json"]):
        assert dump(empty, *how, code=1) == ["odradek: nothing has been decided there yet"]
    (refused,) = dump("--etcd", "http://127.0.0.1:1", code=1)
    assert refused.startswith("odradek: etcd: http://127.0.0.1:1: ")
    (segment,) = (directory / "__cluster_metadata-0").glob("*.log")
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(content)
    (damaged,) = dump(directory, code=1)
    assert "the checksum does not match" in damaged
    write(other := tmp_path_factory.mktemp("other"), DECISIONS[3:])
    assert len(dump(other)) == 4
    write(other, [DECISIONS[3]])
    (misfit,) = dump(other, "--image", code=1)
    assert misfit.startswith("odradek: the records do not fit together")


@pytest.mark.slow
@pytest.mark.parametrize(
    "journal",
    ["file", pytest.param("etcd", marks=pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd"))],
)
def test_the_cluster_that_runs_is_found_wherever_its_journal_is(
    journal: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = {**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("x"))}
    data = tmp_path_factory.mktemp("data")
    (nobody,) = dump(code=1, env=alone)
    assert nobody.startswith("odradek: no cluster runs here")
    command = [sys.executable, "-m", "odradek_cli", "up", "--brokers", "2", "--port", "0", "--data-dir", str(data)]
    with subprocess.Popen([*command, "--journal", journal], stdout=subprocess.PIPE, text=True, env=alone) as cluster:
        assert cluster.stdout is not None
        ready = [cluster.stdout.readline() for _ in range(2)]
        found = dump_json(env=alone)
        assert [row["offset"] for row in found] == list(range(len(found)))
        assert [row["type"] for row in found].count("RegisterBrokerRecord") == len(ready)
        image = dump_json(data, "--image", env=alone)
        assert [row["fields"]["brokerId"] for row in image if row["type"] == "broker"] == [0, 1]
        assert len(image[0]["fields"]["clusterId"]) == 22
        cluster.send_signal(signal.SIGINT)
