"""Records of consumer groups that mean no good, or nothing: they cost their own group its members, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from odradek.protocol.messages.consumer_group_records import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    TopicPartition,
    TopicPartitions,
)
from odradek.protocol.primitives import ProtocolError
from odradek_broker.coordination.record import CoordinatorRecord, framed
from odradek_broker.groups.consumer.group import MAX_EPOCH
from odradek_broker.groups.records import read_record
from tests.groups.consumer_scene import ConsumerScene, topic_id
from tests.groups.group_fakes import MemoryBroker, running
from tests.groups.test_hostile_group_records import committed, neighbours, offset_of, written_to

A = topic_id("a")


def record(key: Struct, value: Struct | None, version: int = 0) -> CoordinatorRecord:
    framed_key = framed(key.API_KEY, key, 0)  # type: ignore[attr-defined]
    return CoordinatorRecord(framed_key, None if value is None else framed(version, value, 0))


def member(**fields: Any) -> ConsumerGroupMemberMetadataValue:
    return ConsumerGroupMemberMetadataValue(
        **{"instance_id": None, "rack_id": None, "classic_member_metadata": None, **fields}
    )


def current(**fields: Any) -> ConsumerGroupCurrentMemberAssignmentValue:
    return ConsumerGroupCurrentMemberAssignmentValue(**{"member_epoch": 2, "previous_member_epoch": 2, **fields})


KEY = ConsumerGroupMetadataKey("g")
MEMBER_KEY = ConsumerGroupMemberMetadataKey("g", "m")
CURRENT_KEY = ConsumerGroupCurrentMemberAssignmentKey("g", "m")
TARGET_KEY = ConsumerGroupTargetAssignmentMemberKey("g", "m")

MEANINGLESS = {
    "a negative epoch": record(KEY, ConsumerGroupMetadataValue(-1)),
    "a negative epoch of the target": record(
        ConsumerGroupTargetAssignmentMetadataKey("g"), ConsumerGroupTargetAssignmentMetadataValue(-1)
    ),
    "a member without an id": record(ConsumerGroupMemberMetadataKey("g", ""), member()),
    "a classic member without a protocol": record(MEMBER_KEY, member(classic_member_metadata=ClassicMemberMetadata())),
    "a classic member that cannot be understood": record(
        MEMBER_KEY,
        member(classic_member_metadata=ClassicMemberMetadata(1, [ClassicProtocol("range", b"\0\0\xff")])),
    ),
    "a negative partition": record(CURRENT_KEY, current(assigned_partitions=[TopicPartitions(A, [-1], [2])])),
    "a negative partition of the target": record(
        TARGET_KEY, ConsumerGroupTargetAssignmentMemberValue([TopicPartition(A, [-1])])
    ),
    "an unknown version": record(KEY, ConsumerGroupMetadataValue(5), version=1),
}


@pytest.mark.parametrize("bad", MEANINGLESS.values(), ids=MEANINGLESS)
def test_a_consumer_group_that_could_not_be_acted_upon_is_not_read(bad: CoordinatorRecord) -> None:
    with pytest.raises(ProtocolError):
        read_record(bad.key, bad.value)


OF_THE_GROUP = {name: bad for name, bad in MEANINGLESS.items() if name != "a member without an id"}
"""What could have been said of somebody; of nobody nothing is lost."""


@pytest.mark.parametrize("bad", OF_THE_GROUP.values(), ids=OF_THE_GROUP)
async def test_a_bad_record_takes_the_members_of_its_consumer_group_and_nothing_else(
    bad: CoordinatorRecord, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    other = neighbours(2)[1]
    written_to(broker, committed("g", 2), committed(other, 3))
    written_to(broker, *((each.key, each.value) for each in good()))
    written_to(broker, (bad.key, bad.value))
    async with running(broker):
        assert [await offset_of(broker, group) for group in ("g", other)] == [2, 3]
        described = await broker.groups.describe_consumer_group("g")
        assert (described.group_state, described.members) == ("Empty", [])
    assert "the members of group 'g' have to join again" in caplog.text


def good() -> list[CoordinatorRecord]:
    scene = ConsumerScene()
    scene.member("m").join()
    return scene.log


def test_after_the_last_epoch_comes_the_first() -> None:
    scene = ConsumerScene(
        loaded_from=[
            record(KEY, ConsumerGroupMetadataValue(MAX_EPOCH)),
            record(
                ConsumerGroupTargetAssignmentMetadataKey("g"), ConsumerGroupTargetAssignmentMetadataValue(MAX_EPOCH)
            ),
        ]
    )
    joins = scene.member("m")
    assert joins.join().member_epoch == 1 and len(joins.partitions()) == 6
    assert scene.described().group_state == "Stable"


def test_partitions_that_two_claim_are_the_last_ones_and_the_group_gets_over_it() -> None:
    claimed = current(assigned_partitions=[TopicPartitions(A, [0, 1], [2, 2])])
    records = [record(KEY, ConsumerGroupMetadataValue(2))]
    for name in ("m", "n"):
        records.append(record(ConsumerGroupMemberMetadataKey("g", name), member(subscribed_topic_names=["a"])))
        records.append(record(ConsumerGroupCurrentMemberAssignmentKey("g", name), claimed))
    scene = ConsumerScene(loaded_from=records)
    members = [scene.member(name) for name in ("m", "n")]
    for each in members:
        each.epoch = 2
    for _ in range(6):
        for each in members:
            if each.beat(rebalance_timeout_ms=60_000, subscribed_topic_names=["a"]).error_code:
                each.join()
    first, second = (each.partitions() for each in members)
    assert first | second == set(range(6)) and not first & second
