"""What the cores of groups promise is looked at, and a broken promise is told even where a request swallows it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from core_watch import look_at_group, take_violation, watch_cores
from stability import Violated
from world import World

from odradek.protocol.messages.share_state_records import ShareSnapshotValue, StateBatch
from odradek_broker.coordination.result import Instant
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.member import ShareMember, ShareTopic
from odradek_broker.sharing.ranges import Range, RecordState
from odradek_broker.sharing.records import StateKey, snapshot_record
from odradek_broker.sharing.settings import ShareSettings, ShareStateSettings
from odradek_broker.sharing.share_partition import LogBatch, SharePartition
from odradek_broker.sharing.share_state import ShareStateCoordinator

TOPIC = b"t" * 16


def shared() -> SharePartition:
    """Offsets 0-4 are with a, of which 0 was delivered once before."""
    core = SharePartition(ShareSettings(record_lock_duration_ms=100), 0, [Range(0, 0, RecordState.AVAILABLE, 1)])
    core.acquire("a", [LogBatch(0, 4)], 100, 0)
    return core


def taken_early(core: SharePartition) -> None:
    core._settle = lambda *_, **__: core._in_flight.lay(Range(0, 4, RecordState.AVAILABLE, 1))  # type: ignore[method-assign]
    core.release("a")


def given_by_another(core: SharePartition) -> None:
    core._in_flight.lay(Range(1, 1, RecordState.ACQUIRED, 1, "b", 200))
    core._settle = lambda *_, **__: core._in_flight.drop_before(2)  # type: ignore[method-assign]
    core.release("a")


def with_a_gap(core: SharePartition) -> None:
    core._in_flight.drop_before(2)
    core.expire(0)


def given_and_not_kept(core: SharePartition) -> None:
    core._move_start = lambda: core._in_flight.drop_before(10)  # type: ignore[method-assign]
    core.acquire("b", [LogBatch(5, 9)], 100, 0)


@pytest.mark.parametrize("wrong", [taken_early, given_by_another, with_a_gap, given_and_not_kept])
async def test_what_a_share_partition_does_wrong_is_told(wrong: Callable[[SharePartition], None]) -> None:
    watch_cores()
    core = shared()
    assert take_violation() is None
    with pytest.raises(Violated, match="S14"):
        wrong(core)
    told = take_violation()
    assert told is not None and take_violation() is None


async def test_what_is_stored_never_goes_back() -> None:
    watch_cores()
    core, key, now = ShareStateCoordinator(ShareStateSettings()), StateKey("g", TOPIC, 0), Instant(0, 0)
    done = StateBatch(7, 8, RecordState.ACKNOWLEDGED, 1)
    core.replay(snapshot_record(key, ShareSnapshotValue(0, 1, 0, 5, state_batches=[done])), 0, now)
    for worse in (ShareSnapshotValue(1, 1, 0, 4, state_batches=[done]), ShareSnapshotValue(1, 1, 0, 5)):
        before = dict(core.states)
        with pytest.raises(Violated, match="S15"):
            core.replay(snapshot_record(key, worse), 1, now)
        core.states.update(before)
        assert take_violation() is not None
    core.replay(snapshot_record(key, ShareSnapshotValue(1, 2, 0, 0)), 2, now)
    assert take_violation() is None


def two_hold_it() -> ConsumerGroup:
    group = ConsumerGroup("g")
    for name in "ab":
        group.put_member(ConsumerMember(member_id=name, assigned={TOPIC: {0: 1}}))
    return group


def nobody_has_it() -> ShareGroup:
    group = ShareGroup("g")
    group.members["a"] = ShareMember(member_id="a")
    group.initialized[TOPIC] = ShareTopic("t", frozenset({0}))
    return group


@pytest.mark.parametrize("group", [two_hold_it(), nobody_has_it()], ids=["held by two", "shared by nobody"])
async def test_what_a_group_has_wrong_is_told(group: ConsumerGroup | ShareGroup) -> None:
    watch_cores()
    with pytest.raises(Violated, match="S16"):
        look_at_group(group)
    assert take_violation() is not None


async def test_what_is_told_is_the_first_of_one_world_and_no_other_world_hears_of_it() -> None:
    watch_cores()
    for group in (two_hold_it(), nobody_has_it(), two_hold_it()):
        with pytest.raises(Violated):
            look_at_group(group)
    assert "hold" in str(take_violation()) and take_violation() is None
    with pytest.raises(Violated):
        look_at_group(nobody_has_it())
    async with trio.open_nursery() as nursery:
        World(nursery, 1, watched=False)
        assert take_violation() is None
        nursery.cancel_scope.cancel()


async def test_who_has_not_asked_for_it_is_not_watched() -> None:
    core, key, now = ShareStateCoordinator(ShareStateSettings()), StateKey("g", TOPIC, 0), Instant(0, 0)
    for start_offset in (5, 4):
        core.replay(snapshot_record(key, ShareSnapshotValue(1, 1, 0, start_offset)), start_offset, now)
    assert take_violation() is None
