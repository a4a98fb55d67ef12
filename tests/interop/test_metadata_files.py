"""A controller's snapshots are Kafka's: its own kafka-dump-log reads ours, and we read its."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from odradek.protocol.messages.metadata_records import FeatureLevelRecord
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.snapshot_file import decode_snapshot, snapshot_id_of
from odradek_broker.ports.disk import RealDisk
from referee import ApacheKafka, run_java_tool
from tests.controller.decisions import decisions

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]

NOW_MS = 1_700_000_000_000


def test_kafka_dump_log_reads_a_snapshot_and_the_log_behind_it(tmp_path: Path) -> None:
    journal = FileJournal(str(tmp_path), RealDisk(), NOW_MS)
    for number, (records, image) in enumerate(decisions(Random(1), 60, MetadataImage(cluster_id="test"))):
        journal.append(records, NOW_MS + number)
        if number == 50:
            journal.begin_snapshot(image)()
            journal.end_snapshot()
            standing_for = image
    journal.close()
    directory, end = tmp_path / "__cluster_metadata-0", standing_for.offset + 1
    snapshot, log = _dump(directory / f"{end:020}-0000000001.checkpoint"), _dump(directory / f"{end:020}.log")
    assert f"Snapshot end offset: {end}, epoch: 1" in snapshot
    lines = [line for line in snapshot.splitlines() if line.startswith("| offset: ")]
    assert lines[0].endswith(f'SnapshotHeader {{"version":0,"lastContainedLogTimestamp":{NOW_MS + 50}}}')
    assert lines[-1].endswith('SnapshotFooter {"version":0}')
    payloads = [json.loads(line.partition("payload: ")[2]) for line in lines[1:-1]]
    wanted = [re.sub(r"(?<!^)([A-Z])", r"_\1", type(each).__name__).upper() for each in records_of(standing_for)]
    assert [payload["type"] for payload in payloads] == wanted
    topics = {payload["data"]["name"] for payload in payloads if payload["type"] == "TOPIC_RECORD"}
    assert topics == set(standing_for.topics)
    assert f"baseOffset: {end} " in log
    assert "isvalid: false" not in snapshot + log


def test_a_snapshot_that_kafka_has_written_reads_back(tmp_path: Path) -> None:
    """Its first one: control records about its own quorum, and the features that it begins with."""
    ApacheKafka(tmp_path).format()
    (first,) = tmp_path.rglob("*.checkpoint")
    id = snapshot_id_of(first.name)
    assert id is not None
    records = decode_snapshot(id, first.read_bytes()).records
    assert {type(record) for record in records} == {FeatureLevelRecord}
    assert {record.name for record in records if isinstance(record, FeatureLevelRecord)} >= {"metadata.version"}


def _dump(path: Path) -> str:
    return run_java_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", str(path)).stdout.decode()
