"""What the next coordinator knows: everything that was answered, nothing that was only going on."""

from __future__ import annotations

from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.group_metadata import GroupMetadataValue, MemberMetadata
from odradek.protocol.messages.join_group import JoinGroupRequestProtocol as Protocol
from odradek.protocol.messages.leave_group import MemberIdentity
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.member import Member
from odradek_broker.groups.records import GroupRecord, group_record, read_record
from tests.groups.group_scene import REBALANCE_MS, SESSION_MS, WALL_MS, Scene, range_protocol, subscription


def test_a_stable_group_goes_on_as_if_nothing_had_happened() -> None:
    scene = Scene()
    generation = scene.stable("a", "b")
    scene.commit(7, "a", generation)
    after = scene.restarted()
    assert after.heartbeat("a", generation) == 0
    assert after.synced(after.sync("b", generation)).assignment == b"b"
    assert after.commit(8, "b", generation) == 0
    assert after.fetch_all() == {("t", 0): 8}


def test_what_a_member_has_said_of_itself_survives_the_coordinator() -> None:
    scene = Scene()
    scene.join(new_id="a", instance="i", version=5, rebalance_ms=0, session_ms=SESSION_MS + 1)
    scene.sync("a", 1, {"a": b"1"}, instance="i")
    assert (
        scene.restarted().group().members
        == scene.group().members
        == {
            "a": Member(
                member_id="a",
                group_instance_id="i",
                client_id="c",
                client_host="/h",
                session_timeout_ms=SESSION_MS + 1,
                rebalance_timeout_ms=0,
                protocols={"range": subscription("t")},
                assignment=b"1",
            )
        }
    )


def test_who_leads_survives_the_coordinator_though_it_is_not_the_eldest() -> None:
    scene = led_by_the_younger()
    after = scene.restarted()
    assert list(after.group().members) == ["a", "b"]
    assert (after.group().leader_id, after.group().protocol_type) == ("b", "consumer")


def led_by_the_younger() -> Scene:
    """Static members a and b; b leads since a rebalance in which a took no part."""
    scene = Scene()
    scene.join(new_id="a", instance="i", version=5)
    scene.join(new_id="b", instance="j", version=5)
    scene.join("a", instance="i", version=5)
    scene.sync("b", 2)
    scene.sync("a", 2, {"a": b"1", "b": b"2"})
    waiting = scene.join("b", instance="j", version=5, protocols=range_protocol("u"))
    for _ in range(REBALANCE_MS // 5_000):
        scene.heartbeat("a", 2, instance="i")
        scene.pass_time(5_000)
    answer = scene.joined(waiting)
    assert (answer.leader, [each.member_id for each in answer.members]) == ("b", ["a", "b"])
    scene.sync("b", 3, {"a": b"3", "b": b"4"})
    assert scene.state() == "Stable"
    return scene


def test_a_younger_leader_that_comes_back_leads_and_another_that_does_does_not() -> None:
    scene = led_by_the_younger()
    scene.join(new_id="b2", instance="j", version=9, protocols=range_protocol("u"))
    assert scene.group().leader_id == scene.restarted().group().leader_id == "b2"
    scene.join(new_id="a2", instance="i", version=9)
    assert list(scene.group().members) == ["a2", "b2"]
    assert scene.group().leader_id == scene.restarted().group().leader_id == "b2"


def test_a_younger_leader_that_joins_again_in_time_goes_on_leading() -> None:
    scene = led_by_the_younger()
    again = scene.join("b", instance="j", version=5, protocols=range_protocol("u"))
    scene.join("a", instance="i", version=5)
    assert scene.joined(again).leader == "b"


def test_what_is_recorded_of_a_group_that_everybody_has_left() -> None:
    scene = Scene()
    scene.stable("a")
    scene.pass_time(5)
    scene.leave(MemberIdentity("a"))
    record = read_record(scene.log[-1].key, scene.log[-1].value)
    assert isinstance(record, GroupRecord)
    assert record.value == GroupMetadataValue("consumer", 2, None, None, WALL_MS + 5, [])


def test_members_have_a_whole_session_to_find_the_new_coordinator() -> None:
    scene = Scene()
    scene.stable("a")
    scene.pass_time(SESSION_MS - 1)
    after = scene.restarted()
    after.core.begin(after.now)
    after.pass_time(SESSION_MS - 1)
    assert after.state() == "Stable"
    after.pass_time(1)
    assert after.state() == "Empty"


def test_a_rebalance_that_was_going_on_begins_again() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join("a", protocols=range_protocol("u"))
    after = scene.restarted()
    assert after.state() == "Stable"
    assert after.group().generation == 2
    again = after.join("a", protocols=range_protocol("u"))
    after.join("b")
    assert after.joined(again).generation_id == 3


def test_a_generation_without_an_assignment_was_never_one() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    after = scene.restarted()
    assert after.synced(after.sync("a", 2, {"a": b"x"})).error_code == ErrorCode.ILLEGAL_GENERATION
    assert after.synced(after.sync("b", 2)).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_nothing_has_happened_when_the_leaders_assignment_cannot_be_recorded() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    waiting = scene.sync("b", 2)
    unrecorded, scene.carry_out = scene.carry_out, lambda result: result.response  # type: ignore[method-assign]
    scene.sync("a", 2, {"a": b"1", "b": b"2"})
    scene.carry_out = unrecorded  # type: ignore[method-assign]
    assert scene.state() == "CompletingRebalance"
    scene.sync("a", 2, {"a": b"3", "b": b"4"})
    assert scene.synced(waiting).assignment == b"4"


def test_newcomers_of_a_restored_group_must_share_the_protocol_it_had_chosen() -> None:
    scene = Scene()
    scene.stable("a")
    after = scene.restarted()
    refused = after.joined(after.join(protocols=[Protocol("sticky", b"")]))
    assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_a_protocol_may_have_no_name() -> None:
    scene = Scene()
    scene.stable("a", protocols=[Protocol("", b"s")])
    after = scene.restarted()
    assert (after.state(), after.group().protocol_name) == ("Stable", "")
    again = after.join("a", protocols=[Protocol("", b"s2")])
    assert [each.metadata for each in after.joined(again).members] == [b"s2"]


def test_the_last_of_several_records_holds() -> None:
    def value(generation: int, protocol: str, *members: str) -> GroupMetadataValue:
        recorded = [MemberMetadata(each, session_timeout=SESSION_MS, subscription=b"s") for each in members]
        return GroupMetadataValue("consumer", generation, protocol, members[0] if members else None, 5, recorded)

    log = [
        group_record("g", value(1, "range", "a", "b")),
        group_record("g", value(2, "sticky", "b")),
        group_record("h", value(1, "range", "c")),
        group_record("h", value(2, "")),
        group_record("i", value(1, "range", "d")),
        group_record("i", None),
    ]
    scene = Scene(loaded_from=log)
    assert sorted(scene.core.groups) == ["g", "h"]
    assert list(scene.group("g").members) == ["b"]
    assert scene.group("g").members["b"].protocols == {"sticky": b"s"}
    assert (scene.state("g"), scene.state("h"), scene.group("h").generation) == ("Stable", "Empty", 2)
    scene.pass_time(10 * SESSION_MS)


def test_records_of_the_oldest_and_the_newest_versions_are_understood() -> None:
    key = group_record("g", None).key
    for version in GroupMetadataValue.VERSIONS:
        member = MemberMetadata("a", session_timeout=SESSION_MS, subscription=b"s", assignment=b"x")
        value = GroupMetadataValue("consumer", 4, "range", "a", members=[member])
        record = CoordinatorRecord(key, version.to_bytes(2, "big") + encode(value, version))
        scene = Scene(loaded_from=[record])
        assert scene.synced(scene.sync("a", 4)).assignment == b"x"
        assert scene.group().members["a"].rebalance_timeout_ms == SESSION_MS


def test_an_empty_group_keeps_its_generation() -> None:
    scene = Scene()
    generation = scene.stable("a")
    scene.leave(MemberIdentity("a"))
    after = scene.restarted()
    assert after.state() == "Empty"
    assert after.joined(after.join()).generation_id > generation
