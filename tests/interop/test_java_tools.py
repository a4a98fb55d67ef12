"""Kafka's own command-line tools against the broker: they work, they print the truth, and they warn of nothing."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from referee import BrokerProcess, run_java_tool
from referee.clients.interface import Client, Sent

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]

EVERY_CLIENT_NEEDS = [
    "ApiVersions",
    "Metadata",
    "Produce",
    "Fetch",
    "ListOffsets",
    "FindCoordinator",
    "JoinGroup",
    "SyncGroup",
    "Heartbeat",
    "LeaveGroup",
    "OffsetCommit",
    "OffsetFetch",
    "InitProducerId",
    "CreateTopics",
    "DeleteTopics",
    "DescribeConfigs",
    "IncrementalAlterConfigs",
    "DeleteRecords",
]

NewTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]


def _run(tool: str, broker: BrokerProcess, *arguments: str, stdin: bytes = b"") -> str:
    """The tool's standard output; fails where it warned, since a user would wonder."""
    done = run_java_tool(tool, "--bootstrap-server", broker.bootstrap, *arguments, stdin=stdin)
    _assert_no_warning(done)
    return done.stdout.decode()


def _assert_no_warning(done: subprocess.CompletedProcess[bytes]) -> None:
    for line in (done.stdout + done.stderr).decode().splitlines():
        assert not re.search(r"\b(WARN|ERROR|WARNING)\b|Exception", line), line


def test_kafka_topics_creates_lists_describes_grows_and_deletes(broker: BrokerProcess) -> None:
    topic = "made-by-kafka-topics"
    create = ["--create", "--topic", topic, "--partitions", "3", "--config", "retention.ms=5000"]
    assert f"Created topic {topic}." in _run("kafka-topics", broker, *create)
    assert topic in _run("kafka-topics", broker, "--list").splitlines()
    _run("kafka-topics", broker, "--alter", "--topic", topic, "--partitions", "4")
    described = _run("kafka-topics", broker, "--describe", "--topic", topic)
    assert re.search(r"PartitionCount: 4\s+ReplicationFactor: 1\s+Configs: .*retention.ms=5000", described)
    rows = re.findall(r"Partition: (\d+)\s+Leader: (\d+)\s+Replicas: (\d+)\s+Isr: (\d+)", described)
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert all(leader == replicas == isr for _, leader, replicas, isr in rows)
    _run("kafka-topics", broker, "--delete", "--topic", topic)
    assert topic not in _run("kafka-topics", broker, "--list").splitlines()


def test_kafka_configs_alters_and_describes(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    entity = ["--entity-type", "topics", "--entity-name", topic]
    _run("kafka-configs", broker, "--alter", *entity, "--add-config", "retention.ms=7000,cleanup.policy=compact")
    described = _run("kafka-configs", broker, "--describe", *entity)
    assert "retention.ms=7000 sensitive=false" in described
    assert "cleanup.policy=compact sensitive=false" in described
    _run("kafka-configs", broker, "--alter", *entity, "--delete-config", "retention.ms")
    assert "retention.ms" not in _run("kafka-configs", broker, "--describe", *entity)


def test_the_perf_tools_count_what_they_moved(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic(2)
    size = ["--num-records", "20000", "--record-size", "200", "--throughput", "-1"]
    produced = _run("kafka-producer-perf-test", broker, "--topic", topic, *size, "--command-property", "acks=all")
    assert re.search(r"^20000 records sent", produced, re.MULTILINE)
    consumed = _run(
        "kafka-consumer-perf-test", broker, "--topic", topic, "--num-records", "20000", "--timeout", "20000"
    )
    columns, values = (line.split(", ") for line in consumed.splitlines()[:2])
    assert dict(zip(columns, values, strict=True))["data.consumed.in.nMsg"] == "20000"
    assert _run("kafka-get-offsets", broker, "--topic", topic).count(f"{topic}:") == 2
    ends = re.findall(rf"{topic}:\d:(\d+)", _run("kafka-get-offsets", broker, "--topic", topic, "--time", "latest"))
    assert sum(map(int, ends)) == 20000


def test_kafka_delete_records_trims_a_partition(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    topic = new_topic()
    client_named("confluent").produce(broker.bootstrap, topic, [Sent(None, b"%d" % number) for number in range(10)])
    trim = {"partitions": [{"topic": topic, "partition": 0, "offset": 6}], "version": 1}
    plan = tmp_path_factory.mktemp("plan") / "offsets.json"
    plan.write_text(json.dumps(trim))
    assert "low_watermark: 6" in _run("kafka-delete-records", broker, "--offset-json-file", str(plan))
    assert f"{topic}:0:6" in _run("kafka-get-offsets", broker, "--topic", topic, "--time", "earliest")


def test_kafka_log_dirs_tells_sizes(broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed) -> None:
    topic = new_topic()
    client_named("confluent").produce(broker.bootstrap, topic, [Sent(None, bytes(3000))])
    described = _run("kafka-log-dirs", broker, "--describe", "--topic-list", topic)
    report = json.loads(next(line for line in described.splitlines() if line.startswith("{")))
    (directory,) = report["brokers"][0]["logDirs"]
    (partition,) = directory["partitions"]
    assert partition["partition"] == f"{topic}-0"
    assert 3000 < partition["size"] < 3200


def test_the_verifiable_producer_is_acknowledged_every_value(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    printed = _run("kafka-verifiable-producer", broker, "--topic", topic, "--max-messages", "500", "--acks", "-1")
    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    acknowledged = [(each["offset"], each["value"]) for each in events if each["name"] == "producer_send_success"]
    assert acknowledged == [(number, str(number)) for number in range(500)]


def test_kafka_broker_api_versions_can_use_everything_that_is_advertised(broker: BrokerProcess) -> None:
    printed = _run("kafka-broker-api-versions", broker)
    advertised = dict(re.findall(r"^\s+(\w+)\(\d+\): (.*?),?$", printed, re.MULTILINE))
    for name in EVERY_CLIENT_NEEDS:
        assert "usable" in advertised[name], f"{name}: {advertised.get(name)}"
