"""What operators see of groups."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember
from tests.groups.group_scene import Scene, subscription


def test_a_stable_group_shows_members_with_metadata_and_assignment() -> None:
    scene = Scene()
    scene.stable("a", "b")
    described = scene.core.describe("g", 5)
    assert (described.group_state, described.protocol_type, described.protocol_data) == ("Stable", "consumer", "range")
    assert described.group_id == "g"
    assert [(each.member_id, each.client_host) for each in described.members] == [("a", "/h"), ("b", "/h")]
    assert [each.member_metadata for each in described.members] == [subscription("t")] * 2
    assert [each.member_assignment for each in described.members] == [b"a", b"b"]


def test_a_rebalancing_group_shows_members_without_either() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    described = scene.core.describe("g", 5)
    assert (described.group_state, described.protocol_data) == ("PreparingRebalance", "")
    assert [each.member_metadata + each.member_assignment for each in described.members] == [b"", b""]


def test_a_member_shows_who_it_is() -> None:
    scene = Scene()
    scene.join(new_id="a", instance="i", version=5)
    scene.sync("a", 1, {"a": b"1"}, instance="i")
    [member] = scene.core.describe("g", 5).members
    assert member == DescribedGroupMember("a", "i", "c", "/h", subscription("t"), b"1")


def test_a_group_of_offsets_alone_is_described_as_empty() -> None:
    scene = Scene()
    scene.commit(1)
    assert scene.core.describe("g", 6) == DescribedGroup(group_id="g", group_state="Empty", members=[])


@pytest.mark.parametrize(("version", "error"), [(5, 0), (6, ErrorCode.GROUP_ID_NOT_FOUND)])
def test_a_group_that_does_not_exist_is_dead(version: int, error: int) -> None:
    described = Scene().core.describe("g", version)
    assert (described.group_state, described.error_code, bool(described.error_message)) == ("Dead", error, bool(error))
    assert described.group_id == "g"


def test_groups_are_listed_by_state_and_type_in_any_case() -> None:
    scene = Scene()
    scene.stable("a", group="g")
    scene.commit(1, group="offsets only")
    listed = [
        (each.group_id, each.protocol_type, each.group_state, each.group_type) for each in scene.core.list_groups()
    ]
    assert listed == [("g", "consumer", "Stable", "classic"), ("offsets only", "", "Empty", "classic")]
    assert [each.group_id for each in scene.core.list_groups(["stable"])] == ["g"]
    assert [each.group_id for each in scene.core.list_groups(["EMPTY", "Dead"])] == ["offsets only"]
    assert len(scene.core.list_groups([], ["Classic", "share"])) == 2
    assert scene.core.list_groups([], ["consumer"]) == []
    assert scene.core.list_groups(["no such state"]) == []
