"""Share groups: who is in one, and which partitions each member is to fetch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek_broker.groups.share import calls
from odradek_broker.groups.share.assignor import assign
from odradek_broker.groups.share.describe import describe_share_group
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.heartbeat import ShareHeartbeatSender
from odradek_broker.groups.share.member import ShareTopic
from tests.groups.consumer_scene import ConsumerScene, topic_id

A, B = topic_id("a"), topic_id("b")
Held = dict[bytes, list[int]]


class ShareScene(ConsumerScene):
    """Topics a and b have six and two partitions. Whatever is to be initialized is initialized at once."""

    def beat_share(
        self, member: str, epoch: int = 0, topics: Collection[str] | None = ("b",), *, max_size: int = 200, **more: str
    ) -> ShareGroupHeartbeatResponse:
        names = None if topics is None else list(topics)
        request = ShareGroupHeartbeatRequest(**{"group_id": "g", **more}, member_id=member, member_epoch=epoch,
                                             subscribed_topic_names=names)  # fmt: skip
        wanted = self.act(calls.uninitialized, request)
        sender = ShareHeartbeatSender(max_size=max_size, initialized=wanted.topics)
        answer: ShareGroupHeartbeatResponse = self.act(calls.share_heartbeat, request, sender)
        return answer

    def act(self, act: Callable[..., Any], *arguments: Any) -> Any:
        return self.carry_out(self.core.act(self.now, lambda *at_hand: act(*at_hand, *arguments)))

    def shared(self) -> ShareGroup:
        group = self.core.groups["g"]
        assert isinstance(group, ShareGroup)
        return group

    def restarted_shares(self) -> ShareScene:
        scene = ShareScene(loaded_from=self.log)
        scene.core.topics, scene.now_ms = self.core.topics, self.now_ms
        return scene


def held(response: ShareGroupHeartbeatResponse) -> Held | None:
    if response.assignment is None:
        return None
    return {each.topic_id: list(each.partitions) for each in response.assignment.topic_partitions}


def test_a_member_that_joins_has_its_partitions_by_the_first_answer() -> None:
    scene = ShareScene()
    joined = scene.beat_share("m")
    assert (joined.error_code, joined.member_id, joined.member_epoch) == (ErrorCode.NONE, "m", 1)
    assert held(joined) == {B: [0, 1]}
    assert scene.shared().initialized == {B: ShareTopic("b", frozenset({0, 1}))}
    again = scene.beat_share("m", 1, None)
    assert (again.member_epoch, held(again)) == (1, None)


def test_members_divide_the_partitions_and_each_has_one_at_least() -> None:
    scene = ShareScene()
    for member in ("one", "two", "three"):
        scene.beat_share(member)
    told = [held(scene.beat_share(member, epoch, None)) for member, epoch in (("one", 1), ("two", 2), ("three", 3))]
    assert told == [{B: [0]}, {B: [0]}, None]
    assert {member.member_epoch for member in scene.shared().members.values()} == {3}


def test_under_the_next_coordinator_members_have_the_session_of_their_group() -> None:
    scene = ShareScene()
    scene.beat_share("m")
    after = scene.restarted_shares()
    after.core.settings = after.settings_with(own_share_session_timeout_ms={"g": 60_000})
    after.core.begin(after.now)
    after.pass_time(59_000)
    assert "m" in after.shared().members
    after.pass_time(1_000)
    assert not after.shared().members


def test_a_topic_that_grows_is_shared_on_with_the_next_heartbeat() -> None:
    scene = ShareScene()
    scene.beat_share("m")
    scene.set_topics(b=3)
    answer = scene.beat_share("m", 1, None)
    assert (answer.member_epoch, held(answer)) == (2, {B: [0, 1, 2]})


def test_a_topic_that_is_not_there_yet_is_shared_once_it_is() -> None:
    scene = ShareScene()
    assert held(scene.beat_share("m", topics=["new"])) == {}
    scene.set_topics(new=1)
    assert held(scene.beat_share("m", 1, None)) == {topic_id("new"): [0]}


def test_a_deleted_topic_is_forgotten() -> None:
    scene = ShareScene()
    scene.beat_share("m", topics=["a", "b"])
    scene.set_topics(b=0)
    assert held(scene.beat_share("m", 1, None)) == {A: [0, 1, 2, 3, 4, 5]}
    assert list(scene.shared().initialized) == [A]


def test_only_what_is_initialized_is_assigned() -> None:
    scene = ShareScene()
    request = ShareGroupHeartbeatRequest("g", "m", 0, None, ["b"])
    partly = ShareHeartbeatSender(initialized={B: ShareTopic("b", frozenset({1}))})
    assert held(scene.act(calls.share_heartbeat, request, partly)) == {B: [1]}
    assert held(scene.beat_share("m", 1, None)) == {B: [0, 1]}


def test_members_that_leave_or_are_silent_leave_their_partitions_to_others() -> None:
    scene = ShareScene()
    for number, member in enumerate(("one", "two", "three")):
        scene.beat_share(member)
        assert scene.shared().epoch == number + 1
    assert scene.beat_share("one", -1, None).member_epoch == -1
    scene.pass_time(30_000)
    assert scene.beat_share("three", 3, None).member_epoch == 4
    scene.pass_time(20_000)
    assert list(scene.shared().members) == ["three"]
    assert held(scene.beat_share("three", 4, None)) == {B: [0, 1]}


def test_the_last_epoch_of_a_member_is_taken_too_and_no_other() -> None:
    scene = ShareScene()
    scene.beat_share("one")
    scene.beat_share("two")
    assert scene.beat_share("one", 1, None).member_epoch == 2
    assert scene.beat_share("one", 1, None).error_code == ErrorCode.NONE
    assert scene.beat_share("one", 3, None).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    scene.beat_share("three")
    assert scene.beat_share("one", 2, None).member_epoch == 3
    assert scene.beat_share("one", 1, None).error_code == ErrorCode.FENCED_MEMBER_EPOCH


def test_what_cannot_be_is_refused_and_leaves_nothing_behind() -> None:
    scene = ShareScene()
    assert scene.beat_share("").error_code == ErrorCode.INVALID_REQUEST
    assert scene.beat_share("m", topics=[]).error_code == ErrorCode.INVALID_REQUEST
    assert scene.beat_share("m", -2).error_code == ErrorCode.INVALID_REQUEST
    assert scene.beat_share("m", 4).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert scene.log == []
    scene.beat_share("m")
    assert scene.beat_share("n", 1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.beat_share("n", -1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.beat_share("n", max_size=1).error_code == ErrorCode.GROUP_MAX_SIZE_REACHED


def test_a_group_id_belongs_to_one_kind_of_group() -> None:
    scene = ShareScene()
    scene.beat_share("m")
    scene.beat_share("m", -1, None)
    assert scene.joined(scene.join("")).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert scene.shared().initialized
    other = ShareScene()
    other.stable("c")
    assert other.beat_share("m").error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_a_successor_knows_members_epochs_and_what_is_initialized_and_hears_who_is_silent() -> None:
    scene = ShareScene()
    scene.beat_share("one")
    scene.beat_share("two", topics=["a", "b"])
    after = scene.restarted_shares()
    before, now = scene.shared(), after.shared()
    assert (now.members, now.targets, now.initialized) == (before.members, before.targets, before.initialized)
    assert (now.epoch, now.assignment_epoch, now.metadata_hash) == (2, 2, before.metadata_hash)
    after.pass_time(45_001)
    assert after.shared().is_empty


def test_targets_that_compaction_has_left_before_the_group_itself_are_known_to_a_successor() -> None:
    scene = ShareScene()
    scene.beat_share("one")
    scene.beat_share("two")
    kinds = {each: int.from_bytes(each.key[:2], "big") for each in scene.log}
    newest = [*{each.key: each for each in scene.log}.values()]
    successor = ShareScene(loaded_from=sorted(newest, key=lambda each: kinds[each] != 13)).shared()
    assert successor.targets == scene.shared().targets
    assert successor.members == scene.shared().members


def test_an_empty_share_group_stays_until_it_is_deleted() -> None:
    scene = ShareScene(offsets_retention_ms=1, offsets_retention_check_interval_ms=10)
    scene.beat_share("m")
    assert scene.core.delete("g", scene.now).response.error_code == ErrorCode.NON_EMPTY_GROUP
    scene.beat_share("m", -1, None)
    scene.pass_time(100_000)
    assert [each.group_type for each in scene.core.list_groups(types=["share"])] == ["share"]
    assert scene.carry_out(scene.core.delete("g", scene.now)).error_code == ErrorCode.NONE
    assert "g" not in scene.core.groups
    assert "g" not in scene.restarted_shares().core.groups


def test_offsets_change_only_while_nobody_is_in_the_group() -> None:
    scene = ShareScene()
    assert scene.act(calls.may_change_offsets, "g") == 1
    assert scene.act(calls.initialized, "g") is ErrorCode.GROUP_ID_NOT_FOUND
    scene.beat_share("m")
    assert scene.act(calls.may_change_offsets, "g") is ErrorCode.NON_EMPTY_GROUP
    scene.beat_share("m", -1, None)
    assert scene.act(calls.may_change_offsets, "g") == 3
    assert scene.act(calls.offsets_altered, "g", {A: ShareTopic("a", frozenset({2}))}) is ErrorCode.NONE
    assert (scene.shared().epoch, set(scene.shared().initialized)) == (3, {A, B})
    assert scene.act(calls.offsets_deleted, "g", {B}) is ErrorCode.NONE
    assert set(scene.shared().initialized) == {A}


def test_a_description_names_members_with_what_they_have() -> None:
    scene = ShareScene()
    scene.beat_share("m")
    told = describe_share_group("g", scene.core.groups["g"], scene.core.topics)
    assert (told.group_state, told.group_epoch, told.assignor_name) == ("Stable", 1, "simple")
    assert [(each.topic_name, list(each.partitions)) for each in told.members[0].assignment.topic_partitions] == [
        ("b", [0, 1])
    ]
    assert describe_share_group("x", None, scene.core.topics).error_code == ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("seed", range(20))
def test_every_partition_has_a_member_and_every_member_a_partition(seed: int) -> None:
    random = Random(seed)
    topics = {topic_id(name): range(random.randrange(1, 9)) for name in "abc"}
    wanted = {f"m{n}": {each for each in topics if random.random() < 0.6} for n in range(random.randrange(1, 12))}
    assigned = assign(wanted, topics)
    for topic, partitions in topics.items():
        members = [member for member, subscribed in wanted.items() if topic in subscribed]
        counts = [len(assigned[member].get(topic, ())) for member in members]
        if members:
            assert frozenset().union(*(assigned[member][topic] for member in members)) == set(partitions)
            assert min(counts) >= 1
            assert max(counts) - min(counts) <= 1
    assert all(set(assigned[member]) <= subscribed for member, subscribed in wanted.items())
