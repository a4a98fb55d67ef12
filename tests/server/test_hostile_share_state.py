"""Records of __share_group_state that mean no good, or nothing: they are reported, and nothing else is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_state_records import (
    ShareSnapshotKey,
    ShareSnapshotValue,
    ShareUpdateKey,
    ShareUpdateValue,
    StateBatch,
)
from odradek_broker.controller.image import SHARE_TOPIC
from odradek_broker.coordination.record import CoordinatorRecord, framed
from odradek_broker.coordinators.batches import build
from tests.server.served_broker import Served, serving
from tests.server.sharing_member import ACCEPT, member
from tests.server.test_share_fetching import FEW, filled

OF_NOBODY = "g", b"x" * 16, 0


def snapshot(*batches: StateBatch, version: int = 0) -> CoordinatorRecord:
    value = ShareSnapshotValue(0, 1, 0, 0, state_batches=list(batches))
    return CoordinatorRecord(
        framed(ShareSnapshotKey.API_KEY, ShareSnapshotKey(*OF_NOBODY), 0), framed(version, value, 0)
    )


BAD = {
    "nothing": CoordinatorRecord(b"", b""),
    "a key that ends too early": CoordinatorRecord(b"\0\0\0", b"\0\0"),
    "a snapshot that ends too early": CoordinatorRecord(snapshot().key, b"\0\0\1"),
    "a snapshot of the future": snapshot(version=9),
    "an update that says nothing": CoordinatorRecord(
        framed(ShareUpdateKey.API_KEY, ShareUpdateKey(*OF_NOBODY), 0), None
    ),
    "offsets that run backwards": snapshot(StateBatch(5, 3, 2, 1)),
    "a state that there is not": snapshot(StateBatch(0, 3, 3, 1)),
    "a state that is never stored": snapshot(StateBatch(0, 3, 1, 1)),
    "fewer deliveries than none": snapshot(StateBatch(0, 3, 2, -1)),
    "a negative offset": snapshot(StateBatch(-2, 3, 2, 1)),
    "an update with offsets that run backwards": CoordinatorRecord(
        framed(ShareUpdateKey.API_KEY, ShareUpdateKey(*OF_NOBODY), 0),
        framed(0, ShareUpdateValue(0, 0, 0, state_batches=[StateBatch(5, 3, 2, 1)]), 0),
    ),
}


def write(served: Served, *records: CoordinatorRecord) -> None:
    """Into each partition of the topic."""
    for index in range(int(FEW["share_coordinator_state_topic_num_partitions"])):
        partition = served.broker.replicas.partition(SHARE_TOPIC, index)
        assert not isinstance(partition, ErrorCode)
        for each in records:
            partition.append_internal(build([each], 1, None))


async def test_what_cannot_be_understood_is_passed_over_and_all_else_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"], [b"b"])
        one = await member(served, "one")
        await one.fetch()
        write(served, *BAD.values())
        assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.NONE
    async with serving(tmp_path, **FEW) as served:
        assert (await (await member(served, "two")).fetch()).values == [b"b"]
    said = [line for line in caplog.messages if "passed over" in line and SHARE_TOPIC in line]
    assert len(said) == len(BAD) * int(FEW["share_coordinator_state_topic_num_partitions"])
