"""Groups with members that go from the classic protocol to the consumer protocol, and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartition,
)
from odradek.protocol.messages.join_group import JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import MemberIdentity
from odradek_broker.groups.consumer.heartbeat import HeartbeatSender
from tests.groups.consumer_scene import REBALANCE_MS, SESSION_MS, ConsumerScene, ScriptedMember, topic_id
from tests.groups.group_scene import SESSION_MS as CLASSIC_SESSION_MS
from tests.groups.group_scene import range_protocol, subscription

ALL = set(range(6))


def told(*partitions: int) -> bytes:
    return b"\x00\x01" + encode(ConsumerProtocolAssignment([TopicPartition("a", sorted(partitions))]), 1)


class ClassicReader:
    """A consumer of the classic protocol that does what it is told."""

    def __init__(self, scene: ConsumerScene, name: str, instance: str | None = None) -> None:
        self.scene, self.name, self.instance = scene, name, instance
        self.generation = 0
        self.reads: set[int] = set()

    def protocols(self) -> list[JoinGroupRequestProtocol]:
        owned = [TopicPartition("a", sorted(self.reads))] if self.reads else []
        said = ConsumerProtocolSubscription(["a"], owned_partitions=owned)
        return [JoinGroupRequestProtocol("cooperative", b"\x00\x01" + encode(said, 1))]

    def join(self) -> int:
        """The error."""
        ticket = self.scene.join(self.name, protocols=self.protocols(), instance=self.instance, version=5)
        answer = self.scene.joined(ticket)
        self.generation = answer.generation_id
        return answer.error_code

    def sync(self) -> int:
        answer = self.scene.synced(self.scene.sync(self.name, self.generation, instance=self.instance))
        if not answer.error_code:
            given = decode(ConsumerProtocolAssignment, answer.assignment, 1, 2).assigned_partitions
            self.reads = {number for each in given for number in each.partitions}
        return answer.error_code

    def beat(self) -> int:
        """Join again where it is told to."""
        error = self.scene.heartbeat(self.name, self.generation, instance=self.instance)
        if error == ErrorCode.REBALANCE_IN_PROGRESS:
            assert self.join() == 0
            self.sync()
        return error


def with_classic(scene: ConsumerScene, *names: str) -> list[ClassicReader]:
    """A classic group in which these have divided topic a."""
    readers = [ClassicReader(scene, name) for name in names]
    for each in readers:
        scene.join(new_id=each.name, protocols=each.protocols())
    for each in readers:
        if scene.group().state == "PreparingRebalance":
            scene.join(each.name, protocols=each.protocols())
    generation = scene.group().generation
    shares = {each.name: set(range(at, 6, len(readers))) for at, each in enumerate(readers)}
    for each in readers[1:]:
        scene.sync(each.name, generation)
    scene.sync(names[0], generation, {name: told(*share) for name, share in shares.items()})
    for each in readers:
        each.generation, each.reads = generation, shares[each.name]
    assert scene.state() == "Stable"
    return readers


def go_on(*members: ScriptedMember | ClassicReader, rounds: int = 6) -> None:
    for _ in range(rounds):
        for member in members:
            member.beat()


def test_a_classic_group_becomes_a_consumer_group_with_the_first_who_joins_by_the_other_protocol() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    scene.commit(5, "old", old.generation, topic="a")
    new = scene.member("new")
    assert new.join().error_code == 0 and new.partitions() == set()
    assert scene.consumers().members["old"].uses_classic_protocol
    go_on(old, new)
    assert len(old.reads) == len(new.partitions()) == 3 and old.reads | new.partitions() == ALL
    assert scene.described().group_state == "Stable"
    assert {each.member_id: each.member_type for each in scene.described().members} == {"old": 0, "new": 1}
    assert scene.fetch("a").committed_offset == 5


def test_nobody_reads_what_another_does_while_the_group_migrates() -> None:
    scene = ConsumerScene()
    olds = with_classic(scene, "1", "2")
    new = scene.member("new")
    new.join()
    for _ in range(8):
        beats: list[Callable[[], object]] = [*(old.beat for old in olds), new.beat]
        for beat in beats:
            beat()
            read = [*olds[0].reads, *olds[1].reads, *new.partitions()]
            assert len(read) == len(set(read))
    assert sorted(map(len, (olds[0].reads, olds[1].reads, new.partitions()))) == [2, 2, 2]


def test_what_is_kept_through_the_migration_is_read_on() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    kept = set(ALL)
    for _ in range(6):
        old.beat()
        kept &= old.reads
        new.beat()
    assert len(kept) == 3


def test_the_group_is_a_classic_one_again_when_the_last_of_the_others_has_gone() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    go_on(old, new)
    new.leave()
    assert scene.state() == "Stable" and scene.group().members["old"].assignment == told(*old.reads)
    scene.tick()
    assert scene.state() == "PreparingRebalance", "they divide what the other has left"
    assert scene.heartbeat("old", scene.group().generation) == ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.join("old", protocols=old.protocols()) in scene.answers
    assert scene.restarted().group().members.keys() == {"old"}


def test_what_the_last_of_the_others_has_left_is_divided_by_the_next_coordinator_too() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    go_on(old, new)
    new.leave()
    successor = scene.restarted()
    successor.tick()
    assert successor.heartbeat("old", old.generation) == ErrorCode.REBALANCE_IN_PROGRESS
    answer = successor.joined(successor.join("old", protocols=old.protocols()))
    successor.sync("old", answer.generation_id, {"old": told(*ALL)})
    after_that = successor.restarted()
    after_that.tick()
    assert after_that.state() == "Stable"


def test_members_that_come_by_the_other_protocol_one_by_one_leave_nothing_classic_behind() -> None:
    scene = ConsumerScene()
    olds = with_classic(scene, "1", "2")
    news = [scene.member("n1"), scene.member("n2")]
    for old, new in zip(olds, news, strict=True):
        scene.leave(MemberIdentity(old.name))
        new.join()
        go_on(*olds[olds.index(old) + 1 :], *news[: news.index(new) + 1])
    assert {each.member_type for each in scene.described().members} == {1}
    assert news[0].partitions() | news[1].partitions() == ALL


@pytest.mark.parametrize(
    ("policy", "upgrades", "downgrades"), [("upgrade", 1, 0), ("downgrade", 0, 1), ("disabled", 0, 0)]
)
def test_the_policy_says_which_way_a_group_may_go(policy: str, upgrades: bool, downgrades: bool) -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    scene.core.settings = scene.settings_with(group_consumer_migration_policy=policy)
    answer = new.join()
    assert (answer.error_code == 0) == upgrades
    if not upgrades:
        assert answer.error_code == ErrorCode.GROUP_ID_NOT_FOUND and scene.state() == "Stable"
        scene.core.settings = scene.settings_with(group_consumer_migration_policy="bidirectional")
        new.join()
        scene.core.settings = scene.settings_with(group_consumer_migration_policy=policy)
    joined = old.join()
    assert joined == (ErrorCode.INCONSISTENT_GROUP_PROTOCOL if policy == "disabled" else 0)
    new.leave()
    assert (scene.core.list_groups()[0].group_type == "classic") == downgrades


def test_classic_members_that_stay_among_themselves_divide_what_the_others_have_left() -> None:
    scene = ConsumerScene()
    olds = with_classic(scene, "1", "2")
    new = scene.member("new")
    scene.core.settings = scene.settings_with(group_consumer_migration_policy="upgrade")
    new.join()
    go_on(*olds, new)
    assert len(new.partitions()) == 2
    new.leave()
    go_on(*olds)
    assert olds[0].reads | olds[1].reads == ALL
    assert [each.beat() for each in olds] == [ErrorCode.NONE] * 2


def test_a_group_that_is_about_to_change_its_classic_protocol_may_be_upgraded() -> None:
    scene = ConsumerScene()
    both = [JoinGroupRequestProtocol(name, subscription("a")) for name in ("old", "young")]
    first = scene.joined(scene.join(new_id="1", protocols=both))
    scene.sync("1", first.generation_id, {"1": told(*ALL)})
    assert first.protocol_name == "old"
    scene.join(new_id="2", protocols=both[1:])
    assert scene.member("new").join().error_code == ErrorCode.NONE
    assert scene.consumers().members.keys() == {"1", "2", "new"}


def test_members_of_another_kind_than_consumers_are_left_alone() -> None:
    scene = ConsumerScene()
    ticket = scene.join(new_id="w", protocol_type="connect")
    scene.sync("w", scene.joined(ticket).generation_id, {"w": b"x"})
    assert scene.member("m").join().error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert scene.state() == "Stable"


def test_an_assignment_that_says_more_than_partitions_is_not_thrown_away() -> None:
    scene = ConsumerScene()
    ticket = scene.join(new_id="m", protocols=range_protocol("a"))
    custom = b"\x00\x01" + encode(ConsumerProtocolAssignment([], user_data=b"mine"), 1)
    scene.sync("m", scene.joined(ticket).generation_id, {"m": custom})
    assert scene.member("new").join().error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert scene.state() == "Stable"


@pytest.mark.parametrize("fault", ["a partition of a negative number", "a protocol whose words nobody can read"])
def test_what_could_not_be_recorded_of_a_consumer_group_is_not_taken_over(fault: str) -> None:
    scene = ConsumerScene()
    protocols = range_protocol("a")
    if "protocol" in fault:
        scene.join(new_id="m", protocols=[JoinGroupRequestProtocol("other", b"\xff"), *protocols])
        ticket = scene.join(new_id="n", protocols=protocols)
        scene.join("m", protocols=[JoinGroupRequestProtocol("other", b"\xff"), *protocols])
        scene.sync("m", scene.joined(ticket).generation_id, {"m": told(0), "n": told(1)})
    else:
        ticket = scene.join(new_id="m", protocols=protocols)
        scene.sync("m", scene.joined(ticket).generation_id, {"m": told(-1)})
    assert scene.member("new").join().error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert scene.state() == "Stable"


def test_who_waits_in_the_classic_group_is_told_to_join_again() -> None:
    scene = ConsumerScene()
    with_classic(scene, "old")
    waits = scene.join(new_id="late", protocols=ClassicReader(scene, "late").protocols())
    assert waits not in scene.answers
    scene.member("new").join()
    assert scene.joined(waits).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    late = ClassicReader(scene, "late")
    assert late.join() == 0 and late.sync() == 0


def test_a_classic_member_that_is_new_to_a_consumer_group_first_hears_its_id() -> None:
    scene = ConsumerScene()
    scene.member("new").join()
    reader = ClassicReader(scene, "")
    ticket = scene.join("", new_id="given", protocols=reader.protocols(), version=5)
    answer = scene.joined(ticket)
    assert (answer.error_code, answer.member_id) == (ErrorCode.MEMBER_ID_REQUIRED, "given")
    assert "given" not in scene.consumers().members


def test_a_classic_member_keeps_its_own_session_and_is_removed_when_it_is_over() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    go_on(old, new)
    assert CLASSIC_SESSION_MS < SESSION_MS
    scene.pass_time(CLASSIC_SESSION_MS)
    new.beat()
    assert new.partitions() == ALL


@pytest.mark.parametrize("stops", ["before joining", "before syncing"])
def test_a_classic_member_that_does_not_do_its_part_is_removed_after_its_rebalance_timeout(stops: str) -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    if stops == "before syncing":
        old.join()
    for _ in range(REBALANCE_MS // 5_000 + 1):
        new.beat()
        scene.heartbeat("old", old.generation)
        scene.pass_time(5_000)
    new.beat()
    assert "old" not in scene.consumers().members and new.partitions() == ALL


def test_requests_of_another_generation_or_by_others_are_refused() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    assert scene.heartbeat("old", old.generation + 7) == ErrorCode.ILLEGAL_GENERATION
    assert scene.heartbeat("new", new.epoch) == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.heartbeat("nobody", 1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.commit_as("old", old.generation + 7) == ErrorCode.ILLEGAL_GENERATION
    refused = scene.join("", protocols=[JoinGroupRequestProtocol("other", subscription("a"))])
    assert scene.joined(refused).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert scene.beat(old_as_consumer := scene.member("old").request(member_epoch=old.generation)).error_code == 0
    assert old_as_consumer.group_id == "g"


def test_a_static_member_comes_by_the_other_protocol_with_what_it_had() -> None:
    scene = ConsumerScene()
    old = ClassicReader(scene, "old", instance="i")
    ticket = scene.join("", new_id="old", protocols=old.protocols(), instance="i", version=5)
    generation = scene.joined(ticket).generation_id
    scene.sync("old", generation, {"old": told(*range(6))}, instance="i")
    new = scene.member("new", instance="i")
    new.join()
    assert new.partitions() == ALL and list(scene.consumers().members) == ["new"]
    assert scene.heartbeat("old", generation, instance="i") == ErrorCode.FENCED_INSTANCE_ID


def test_a_static_member_that_was_killed_may_come_back_by_the_classic_protocol() -> None:
    scene = ConsumerScene()
    scene.member("new", instance="i").join()
    scene.member("other").join()
    old = ClassicReader(scene, "", instance="i")
    ticket = scene.join(protocols=old.protocols(), instance="i", new_id="old", version=5)
    assert scene.joined(ticket).error_code == ErrorCode.NONE
    assert scene.consumers().static_members == {"i": "old"}


def back_by_the_classic_protocol(scene: ConsumerScene, *topics: str) -> JoinGroupResponse:
    """A static member whose place is kept for it."""
    said = ConsumerProtocolSubscription(list(topics or ("a",)))
    protocols = [JoinGroupRequestProtocol("cooperative", b"\x00\x01" + encode(said, 1))]
    return scene.joined(scene.join(protocols=protocols, instance="i", new_id="back", version=5))


def test_a_static_member_takes_the_group_along_to_the_classic_protocol_and_stops_nobody() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new", instance="i")
    new.join()
    go_on(old, new)
    had = new.partitions()
    assert len(had) == 3 and new.leave(-2) == 0
    answer = back_by_the_classic_protocol(scene)
    assert (answer.error_code, answer.generation_id) == (0, old.generation)
    assert scene.state() == "Stable" and scene.group().members.keys() == {"old", "back"}
    scene.tick()
    assert scene.synced(scene.sync("back", answer.generation_id, instance="i")).assignment == told(*had)
    assert [old.beat(), scene.heartbeat("back", answer.generation_id, instance="i")] == [0, 0]
    assert scene.heartbeat("new", answer.generation_id, instance="i") == ErrorCode.FENCED_INSTANCE_ID
    successor = scene.restarted()
    successor.tick()
    assert successor.state() == "Stable" and successor.group().members.keys() == {"old", "back"}


def test_a_static_member_that_was_alone_goes_back_with_all_that_it_had() -> None:
    scene = ConsumerScene()
    scene.member("new", instance="i").join()
    answer = back_by_the_classic_protocol(scene)
    scene.tick()
    assert scene.synced(scene.sync("back", answer.generation_id, instance="i")).assignment == told(*ALL)


def test_who_comes_back_and_wants_something_else_lets_the_classic_group_rebalance() -> None:
    scene = ConsumerScene()
    scene.set_topics(b=2)
    [old] = with_classic(scene, "old")
    new = scene.member("new", instance="i")
    new.join()
    go_on(old, new)
    new.leave(-2)
    answer = back_by_the_classic_protocol(scene, "b")
    scene.tick()
    assert (answer.error_code, scene.state()) == (0, "PreparingRebalance")
    refused = scene.synced(scene.sync("back", answer.generation_id, instance="i"))
    assert refused.error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_while_somebody_has_yet_to_give_up_partitions_the_classic_group_divides_anew() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    scene.member("new", instance="i").join()
    assert old.reads == ALL
    back_by_the_classic_protocol(scene)
    scene.tick()
    assert scene.state() == "PreparingRebalance"


def test_the_policy_says_whether_a_static_member_takes_the_group_along() -> None:
    scene = ConsumerScene()
    scene.member("new", instance="i").join()
    scene.core.settings = scene.settings_with(group_consumer_migration_policy="upgrade")
    assert back_by_the_classic_protocol(scene).error_code == 0
    assert scene.consumers().members["back"].uses_classic_protocol


def test_the_next_coordinator_knows_a_group_that_has_migrated() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    new = scene.member("new")
    new.join()
    standby = scene.restarted_consumers()
    assert standby.consumers().members == scene.consumers().members
    assert standby.consumers().targets == scene.consumers().targets
    assert standby.consumers().targets["old"] == {topic_id("a"): frozenset(range(3))}
    assert old.name in standby.consumers().members


def test_a_member_whose_group_could_not_be_recorded_is_not_missed_in_the_classic_one() -> None:
    scene = ConsumerScene()
    [old] = with_classic(scene, "old")
    joins = scene.member("new").request(
        rebalance_timeout_ms=REBALANCE_MS, subscribed_topic_names=["a"], topic_partitions=()
    )
    sender = HeartbeatSender(version=1, new_member_id="new")
    assert scene.core.consumer_heartbeat(joins, sender, scene.now).records, "which nobody replays"
    for _ in range(SESSION_MS // 5_000 + 1):
        scene.pass_time(5_000)
        assert old.beat() == 0
