"""What share coordinators store: calls, and the same state out of the records again."""

from typing import TypeVar

from odradek.protocol.errors import ErrorCode
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.coordination.result import CoordinatorResult, Instant
from odradek_broker.sharing.ranges import Range, RecordState
from odradek_broker.sharing.records import StateKey, state_key
from odradek_broker.sharing.settings import ShareStateSettings
from odradek_broker.sharing.share_state import ShareState, ShareStateCoordinator, TimerKind, Write

KEY = StateKey("g", b"t" * 16, 0)
NOW = Instant(0, 1_000)
ACKNOWLEDGED, AVAILABLE = RecordState.ACKNOWLEDGED, RecordState.AVAILABLE


R = TypeVar("R")


class Scene:
    """A coordinator and its log."""

    def __init__(self) -> None:
        self.settings = ShareStateSettings(snapshot_update_records_per_snapshot=3)
        self.core = ShareStateCoordinator(self.settings)
        self.log: list[CoordinatorRecord] = []

    def do(self, result: CoordinatorResult[R]) -> R:
        for record in result.records:
            self.core.replay(record, len(self.log), NOW)
            self.log.append(record)
        return result.response

    def begun(self) -> "Scene":
        assert self.do(self.core.initialize(KEY, 1, -1, NOW)) is ErrorCode.NONE
        return self

    def write(self, *ranges: Range, leader_epoch: int = 0, state_epoch: int = 1, start: int = 0) -> ErrorCode:
        return self.do(self.core.write(KEY, Write(state_epoch, leader_epoch, start, 0, ranges), NOW))

    def reloaded(self, from_offset: int = 0) -> ShareStateCoordinator:
        core = ShareStateCoordinator(self.settings)
        for offset, record in enumerate(self.log):
            if offset >= from_offset:
                core.replay(record, offset, NOW)
        return core


def test_what_is_written_is_read_with_the_newest_word_on_every_offset() -> None:
    scene = Scene().begun()
    assert scene.write(Range(0, 9, AVAILABLE, 1)) is ErrorCode.NONE
    assert scene.write(Range(3, 4, ACKNOWLEDGED, 2), start=1) is ErrorCode.NONE
    found = scene.do(scene.core.read(KEY, 0, NOW))
    assert isinstance(found, ShareState)
    assert found.start_offset == 1
    assert found.ranges == (Range(1, 2, AVAILABLE, 1), Range(3, 4, ACKNOWLEDGED, 2), Range(5, 9, AVAILABLE, 1))


def test_a_leader_that_has_read_fences_those_before_it() -> None:
    scene = Scene().begun()
    assert scene.write(leader_epoch=4) is ErrorCode.NONE
    assert isinstance(scene.do(scene.core.read(KEY, 5, NOW)), ShareState)
    assert scene.write(leader_epoch=4) is ErrorCode.FENCED_LEADER_EPOCH
    assert scene.do(scene.core.read(KEY, 4, NOW)) is ErrorCode.FENCED_LEADER_EPOCH


def test_who_begins_anew_fences_the_leader_that_shares_on_as_before() -> None:
    scene = Scene().begun()
    assert scene.do(scene.core.initialize(KEY, 2, 77, NOW)) is ErrorCode.NONE
    assert scene.write(state_epoch=1) is ErrorCode.FENCED_STATE_EPOCH
    assert scene.do(scene.core.initialize(KEY, 1, 0, NOW)) is ErrorCode.FENCED_STATE_EPOCH
    found = scene.do(scene.core.read(KEY, 0, NOW))
    assert isinstance(found, ShareState)
    assert (found.start_offset, found.ranges) == (77, ())


def test_a_member_that_joins_with_others_takes_back_nothing_that_they_have_acknowledged() -> None:
    scene = Scene().begun()
    scene.write(Range(5, 9, ACKNOWLEDGED, 1), start=5)
    assert scene.do(scene.core.initialize(KEY, 1, -1, NOW)) is ErrorCode.NONE
    found = scene.do(scene.core.read(KEY, 0, NOW))
    assert isinstance(found, ShareState)
    assert (found.start_offset, found.ranges) == (5, (Range(5, 9, ACKNOWLEDGED, 1),))


def test_what_was_never_initialized_can_be_neither_read_nor_written() -> None:
    scene = Scene()
    assert scene.write() is ErrorCode.INVALID_REQUEST
    assert scene.do(scene.core.read(KEY, 0, NOW)) is ErrorCode.INVALID_REQUEST
    summary = scene.do(scene.core.read_summary(KEY, 0))
    assert isinstance(summary, ShareState)
    assert summary.start_offset == -1


def test_updates_are_folded_into_a_snapshot_now_and_then_and_replay_comes_to_the_same() -> None:
    scene = Scene().begun()
    for offset in range(10):
        scene.write(Range(offset, offset, ACKNOWLEDGED, 1))
        assert scene.reloaded().states == scene.core.states
    assert scene.core.states[KEY].ranges == (Range(0, 9, ACKNOWLEDGED, 1),)
    assert scene.core.states[KEY].snapshot_epoch == 2


def test_records_before_the_oldest_snapshot_that_counts_are_not_needed() -> None:
    scene = Scene().begun()
    for offset in range(10):
        scene.write(Range(offset, offset, ACKNOWLEDGED, 1))
    needed = scene.core.first_needed_offset(len(scene.log))
    assert needed > 0
    assert scene.reloaded(needed).states == scene.core.states


def test_a_share_partition_that_is_idle_is_written_anew_so_that_others_can_be_deleted() -> None:
    scene, other = Scene().begun(), StateKey("g", b"t" * 16, 1)
    scene.do(scene.core.initialize(other, 1, -1, NOW))
    for offset in range(20):
        scene.write(Range(offset, offset, ACKNOWLEDGED, 1))
    assert scene.core.first_needed_offset(len(scene.log)) == 1
    scene.do(scene.core.time_over(TimerKind.PRUNE, NOW))
    needed = scene.core.first_needed_offset(len(scene.log))
    assert needed > 10
    assert scene.reloaded(needed).states == scene.core.states


def test_nothing_is_needless_while_what_is_written_instead_may_be_lost_yet() -> None:
    scene = Scene().begun()
    for offset in range(3):
        scene.write(Range(offset, offset, ACKNOWLEDGED, 1))
    before = len(scene.log)
    scene.write(Range(3, 3, ACKNOWLEDGED, 1))
    needed = scene.core.first_needed_offset(before)
    without_snapshot = ShareStateCoordinator(scene.settings)
    for offset, record in enumerate(scene.log[needed:before], needed):
        without_snapshot.replay(record, offset, NOW)
    assert without_snapshot.states[KEY].ranges == (Range(0, 2, ACKNOWLEDGED, 1),)
    assert scene.core.first_needed_offset(before + 1) == before


def test_an_update_to_a_snapshot_that_is_superseded_says_nothing_any_more() -> None:
    scene = Scene().begun()
    late = scene.core.write(KEY, Write(1, 0, 5, 0, [Range(5, 9, AVAILABLE, 1)]), NOW)
    scene.do(scene.core.initialize(KEY, 2, 77, NOW))
    scene.do(late)
    assert (scene.core.states[KEY].start_offset, scene.core.states[KEY].ranges) == (77, ())


def test_a_deleted_share_partition_is_gone_after_a_replay_too() -> None:
    scene = Scene().begun()
    assert scene.do(scene.core.delete(KEY)) is ErrorCode.NONE
    assert scene.core.states == scene.reloaded().states == {}


def test_what_is_stored_of_a_topic_goes_with_it() -> None:
    scene, other = Scene().begun(), StateKey("h", b"u" * 16, 0)
    scene.do(scene.core.initialize(other, 1, -1, NOW))
    scene.do(scene.core.forget_topics({KEY.topic_id}))
    assert list(scene.core.states) == list(scene.reloaded().states) == [other]


def test_a_share_partition_is_found_by_a_key_that_names_group_topic_and_partition() -> None:
    key = StateKey("a:b", bytes(range(240, 256)), 12)
    assert key.coordinator_key == "a:b:8PHy8_T19vf4-fr7_P3-_w:12"
    assert state_key(key.coordinator_key) == key
    for wrong in (
        "g",
        "g:t:0",
        ":8PHy8_T19vf4-fr7_P3-_w:12",
        "g:8PHy8_T19vf4-fr7_P3-_w:",
        "g:8PHy8_T19vf4-fr7_P3-_w:x",
    ):
        assert state_key(wrong) is None
