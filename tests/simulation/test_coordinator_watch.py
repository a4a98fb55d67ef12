"""What coordinators promise is looked at: a coordinator that breaks its word is found out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import coordinator_watch
import pytest
from coordinator_watch import watch_everything
from core_watch import take_violation
from stability import Violated

from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek_broker.coordination.result import CoordinatorResult, Instant
from odradek_broker.coordinators.runtime import CoordinatorPartition
from odradek_broker.coordinators.share_leader import ShareLeader
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.sharing.records import StateKey
from odradek_broker.sharing.settings import ShareStateSettings
from odradek_broker.sharing.share_state import ShareState, ShareStateCoordinator, Write

KEY, NOW = StateKey("g", b"t" * 16, 0), Instant(0, 0)
STORED = ShareState(state_epoch=1, leader_epoch=4, snapshot_offset=3)


def states() -> ShareStateCoordinator:
    core = ShareStateCoordinator(ShareStateSettings())
    core.states[KEY] = STORED
    return core


async def test_a_read_that_fences_nobody_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_everything()
    states().read(KEY, 5, NOW)
    monkeypatch.setattr(coordinator_watch, "_read", lambda *_: CoordinatorResult([], STORED))
    with pytest.raises(Violated, match="nobody is fenced"):
        states().read(KEY, 5, NOW)


async def test_a_leader_that_writes_after_the_next_has_read_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_everything()
    core, late = states(), Write(1, 4, 0, 0, ())
    core.write(KEY, late, NOW)
    core.read(KEY, 5, NOW)
    with pytest.raises(Violated, match="was read in 5, and is written in 4"):
        core.write(KEY, late, NOW)  # for what was read has not been recorded here


async def test_a_snapshot_that_is_deleted_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_everything()
    assert states().first_needed_offset(10) == STORED.snapshot_offset
    monkeypatch.setattr(coordinator_watch, "_need", lambda *_: STORED.snapshot_offset + 1)
    with pytest.raises(Violated, match="the snapshot at 3 is deleted"):
        states().first_needed_offset(10)


async def test_what_counts_and_is_not_stored_is_found_out() -> None:
    watch_everything()
    leader: Any = SimpleNamespace(_stored=4)
    stores = coordinator_watch._WatchedStores(leader)
    stores.reached(5)
    with pytest.raises(Violated, match="5 changes count, and 4 are stored"):
        stores.reached(6)


async def test_a_share_leader_is_watched_where_somebody_looks() -> None:
    watch_everything()
    leader = ShareLeader(KEY, SimpleNamespace(leader_epoch=1), *[None] * 6)  # type: ignore[arg-type]
    assert isinstance(leader._stores, coordinator_watch._WatchedStores)


@pytest.mark.parametrize(("member", "generation"), [("m", 6), ("another", 7)])
async def test_a_commit_of_who_is_not_a_member_of_now_is_found_out(
    member: str, generation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_everything()
    core, group = GroupCoordinator(GroupSettings()), ClassicGroup("g")
    group.generation, group.members["m"] = 7, SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setattr(ClassicGroup, "is_empty", False)
    core.groups["g"] = group
    taken = OffsetCommitResponse(topics=[OffsetCommitResponseTopic("t", partitions=[OffsetCommitResponsePartition()])])
    monkeypatch.setattr(coordinator_watch, "_commit", lambda *_, **__: CoordinatorResult([], taken))
    core.commit(OffsetCommitRequest("g", 7, "m"), NOW)
    with pytest.raises(Violated, match="is taken by g in 7"):
        core.commit(OffsetCommitRequest("g", generation, member), NOW)


class AnsweredTooEarly(CoordinatorPartition[Any]):
    """Of a partition that is committed up to 3."""

    def __init__(self, *, leads: bool) -> None:
        self.partition = SimpleNamespace(high_watermark=3, is_leader=leads, leader_epoch=1)  # type: ignore[assignment]
        self.leader_epoch, self._waiters = 1, {}
        self._closed = False

    is_loaded = True

    def _survive_timer(self, timer: Any, defect: Exception) -> None: ...

    def _tell_what_is_loaded(self) -> None: ...

    def _pass_over(self, record: Any, why: Exception) -> None: ...


async def test_an_answer_before_the_commit_is_found_out() -> None:
    watch_everything()
    made: Any = AnsweredTooEarly(leads=True)
    made._settle(SimpleNamespace(last_offset=2), [(1, "yes")])
    with pytest.raises(Violated, match="answers for 3 at 3"):
        made._settle(SimpleNamespace(last_offset=3), [(1, "yes")])


async def test_a_coordinator_that_leads_no_more_is_found_out() -> None:
    watch_everything()
    with pytest.raises(Violated, match="does not lead in 1 any longer"):
        await AnsweredTooEarly(leads=False).ask(lambda *_: CoordinatorResult([], None))
    assert take_violation() is not None
