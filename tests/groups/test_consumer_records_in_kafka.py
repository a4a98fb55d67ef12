"""What is written of consumer groups to __consumer_offsets is read by Kafka's own tool."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from referee import run_java_tool, why_java_is_unavailable
from tests.groups.consumer_scene import ConsumerScene, settle
from tests.groups.group_scene import WALL_MS

pytestmark = [pytest.mark.slow, pytest.mark.java]


def test_kafka_reads_consumer_groups_and_their_tombstones(tmp_path: Path) -> None:
    reason = why_java_is_unavailable()
    if reason is not None:
        pytest.skip(reason)
    scene = ConsumerScene()
    first, second = scene.member("1", instance="i"), scene.member("2")
    first.join(rack_id="r", server_assignor="range")
    second.join(subscribed_topic_names=None, subscribed_topic_regex="a|b")
    settle(first, second)
    second.leave()
    first.leave()
    assert scene.delete() == 0
    records = [Record(key=each.key, value=each.value, timestamp=WALL_MS) for each in scene.log]
    segment = tmp_path / "__consumer_offsets-0" / f"{0:020}.log"
    segment.parent.mkdir()
    segment.write_bytes(b"".join(build_batch([each], base_offset=at) for at, each in enumerate(records)))
    said = run_java_tool("kafka-dump-log", "--offsets-decoder", "--files", str(segment)).stdout.decode()

    keys = [json.loads(each) for each in re.findall(r"key: (\{.*?\}\}) payload", said)]
    payloads = [json.loads(each) if each.startswith("{") else None for each in re.findall(r"payload: (.*)", said)]
    assert len(keys) == len(payloads) == len(records)
    assert {each["type"] for each in keys} == {"3", "4", "5", "6", "7", "8", "16"}
    first_of = {key["type"]: payload["data"] for key, payload in zip(keys[:5], payloads[:5], strict=True) if payload}
    assert (first_of["5"]["instanceId"], first_of["5"]["rackId"], first_of["5"]["serverAssignor"]) == (
        "i",
        "r",
        "range",
    )
    assert (first_of["3"]["epoch"], first_of["6"]["assignmentEpoch"]) == (2, 2)
    assert first_of["7"]["topicPartitions"][0]["partitions"] == [0, 1, 2, 3, 4, 5]
    assert first_of["8"]["assignedPartitions"][0]["assignmentEpochs"] == [2] * 6
    newest = {json.dumps(key): payload for key, payload in zip(keys, payloads, strict=True)}
    assert set(newest.values()) == {None}
