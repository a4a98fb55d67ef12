"""What is written to __consumer_offsets is read by Kafka's own tool."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from odradek.protocol.messages.leave_group import MemberIdentity
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from referee import run_java_tool, why_java_is_unavailable
from tests.groups.group_scene import WALL_MS, Scene

pytestmark = [pytest.mark.slow, pytest.mark.java]


def test_kafka_reads_offsets_groups_and_tombstones(tmp_path: Path) -> None:
    reason = why_java_is_unavailable()
    if reason is not None:
        pytest.skip(reason)
    scene = Scene()
    scene.commit(5, metadata="note", partition=3)
    scene.commit(6, retention_ms=1_000)
    scene.stable("a", "b")
    scene.join(new_id="a2", instance="i", version=5)
    scene.leave(MemberIdentity("a"), MemberIdentity("b"), MemberIdentity("a2"))
    scene.delete()
    records = [Record(key=each.key, value=each.value, timestamp=WALL_MS) for each in scene.log]
    segment = tmp_path / "__consumer_offsets-0" / f"{0:020}.log"
    segment.parent.mkdir()
    segment.write_bytes(b"".join(build_batch([each], base_offset=at) for at, each in enumerate(records)))
    said = run_java_tool("kafka-dump-log", "--offsets-decoder", "--files", str(segment)).stdout.decode()

    keys = [json.loads(each) for each in re.findall(r"key: (\{.*?\}\}) payload", said)]
    payloads: list[Any] = [
        json.loads(each) if each.startswith("{") else None for each in re.findall(r"payload: (.*)", said)
    ]
    assert len(keys) == len(payloads) == len(records)
    assert [each["type"] for each in keys] == ["1", "1", "2", "2", "1", "1", "2"]
    assert keys[0]["data"] == {"group": "g", "topic": "t", "partition": 3}
    offset, expiring, stable, empty = payloads[:4]
    assert (offset["version"], offset["data"]["offset"], offset["data"]["metadata"]) == ("3", 5, "note")
    assert (expiring["version"], expiring["data"]["expireTimestamp"]) == ("1", WALL_MS + 1_000)
    assert [each["memberId"] for each in stable["data"]["members"]] == ["a", "b"]
    assert stable["data"]["members"][0]["subscription"]["topics"] == ["t"]
    assert (empty["data"]["members"], empty["data"]["generation"]) == ([], 3)
    assert payloads[4:] == [None, None, None]
