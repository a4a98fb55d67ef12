"""Kafka's own kafka-dump-log reads the broker's files: records of every codec, index entries, snapshots, commits."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from referee import BrokerProcess, run_java_tool
from referee.clients.interface import Client, GroupClient, Sent

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")

NewTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]


def test_batches_of_every_codec_are_valid_and_hold_what_was_sent(
    broker: BrokerProcess, segments: Path, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic, sent = new_topic(), []
    for codec in CODECS:
        records = [Sent(b"%s-%d" % (codec.encode(), number), b"payload %d" % number) for number in range(8)]
        client_named("confluent").produce(broker.bootstrap, topic, records, codec=codec)
        sent += records

    dumped = _dump(segments / f"{topic}-0", ".log", "--print-data-log", "--deep-iteration")

    batches = re.findall(r"^baseOffset: (\d+) .* compresscodec: (\w+) .* isvalid: (\w+)", dumped, re.MULTILINE)
    assert {codec for _, codec, _ in batches} == set(CODECS)
    assert {valid for *_, valid in batches} == {"true"}
    records_dumped = re.findall(r"^\| offset: (\d+) .* key: (\S+) payload: (.*)$", dumped, re.MULTILINE)
    assert [(int(offset), key.encode(), value.encode()) for offset, key, value in records_dumped] == [
        (offset, record.key, record.value) for offset, record in enumerate(sent)
    ]


def test_indexes_agree_with_the_log_in_every_segment(
    broker: BrokerProcess, restartable: BrokerProcess, segments: Path, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic = new_topic(segment_bytes="1048576", index_interval_bytes="4096")
    for start in range(0, 300, 10):
        numbers = range(start, start + 10)
        batch = [Sent(b"%d" % number, bytes(9000), timestamp_ms=1_700_000_000_000 + number) for number in numbers]
        client_named("confluent").produce(broker.bootstrap, topic, batch)
    directory = segments / f"{topic}-0"
    assert len(list(directory.glob("*.log"))) == 3

    for suffix in (".index", ".timeindex"):
        dumped = _dump(directory, suffix)
        for complaint in ("Mismatches in", "mismatch", "out of order", "not found in the log"):
            assert complaint not in dumped, dumped
        assert len(re.findall(r"^(?:timestamp: \d+ )?offset: \d+", dumped, re.MULTILINE)) >= 3
    restartable.stop()  # which brings the active segment's indexes to their final size
    try:
        for suffix in (".index", ".timeindex"):
            assert _dump(directory, suffix, "--index-sanity-check").count("passed sanity check") == 3
    finally:
        restartable.start()


def test_a_clean_stop_leaves_a_producer_snapshot_that_kafka_can_read(
    segments: Path, restartable: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic, client = new_topic(), client_named("confluent")
    records = [Sent(None, b"%d" % number) for number in range(50)]
    assert _idempotent(client).produce_idempotently(restartable.bootstrap, topic, records) == list(range(50))
    restartable.stop()
    try:
        dumped = _dump(segments / f"{topic}-0", ".snapshot")
    finally:
        restartable.start()
    entry = r"^producerId: \d+ producerEpoch: (\d+) .* lastSequence: (\d+) lastOffset: (\d+)"
    assert re.findall(entry, dumped, re.MULTILINE) == [("0", "49", "49")]


def test_the_small_files_of_a_partition_are_kafkas(
    admin: AdminClient, broker: BrokerProcess, segments: Path, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic = new_topic()
    client_named("confluent").produce(broker.bootstrap, topic, [Sent(None, b"one")])
    directory = segments / f"{topic}-0"
    metadata = (directory / "partition.metadata").read_text().splitlines()
    assert metadata[0] == "version: 0"
    assert re.fullmatch(r"topic_id: [\w-]{22}", metadata[1])
    epochs = (directory / "leader-epoch-checkpoint").read_text().split()
    assert epochs[:2] == ["0", "1"]  # version, entries
    assert epochs[3] == "0"  # the first epoch starts at offset 0
    properties = dict(
        line.split("=", 1) for line in (segments / "meta.properties").read_text().splitlines() if "=" in line
    )
    assert properties["version"] == "1"
    assert properties["cluster.id"] == admin.describe_cluster().result(20).cluster_id


def test_committed_offsets_are_stored_in_kafkas_record_format(
    broker: BrokerProcess, segments: Path, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic = new_topic()
    client = _idempotent(client_named("confluent"))
    client.produce(broker.bootstrap, topic, [Sent(None, b"one"), Sent(None, b"two")])
    member = client.join(broker.bootstrap, "dumped-group", topic)
    try:
        read: list[object] = []
        while len(read) < 2:
            read += member.poll(0.5)
        member.commit()
    finally:
        member.close()

    dumped = "".join(
        _dump(directory, ".log", "--offsets-decoder", "--print-data-log")
        for directory in segments.glob("__consumer_offsets-*")
        if any(path.stat().st_size for path in directory.glob("*.log"))
    )
    commits = [line for line in dumped.splitlines() if topic in line and '"offset":2' in line]
    assert commits, dumped
    assert all('"group":"dumped-group"' in line for line in commits)


def _idempotent(client: Client) -> GroupClient:
    assert hasattr(client, "produce_idempotently")
    return client  # type: ignore[return-value]


def _dump(directory: Path, suffix: str, *options: str) -> str:
    """What kafka-dump-log says of all files of a directory that end so.

    It opens indexes for writing and cuts them, so a running broker's files are copied first.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        copy = shutil.copytree(directory, Path(elsewhere) / directory.name)
        files = ",".join(str(path) for path in sorted(copy.glob(f"*{suffix}")))
        done = run_java_tool("kafka-dump-log", "--files", files, *options)
    return (done.stdout + done.stderr).decode()
