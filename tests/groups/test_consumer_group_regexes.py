"""Members that subscribe by a regular expression, which the coordinator resolves."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from tests.groups.consumer_scene import ConsumerScene, ScriptedMember, settle

REFRESH_MS = 600_000


def by_regex(scene: ConsumerScene, name: str, regex: str, **fields: object) -> ScriptedMember:
    member = scene.member(name)
    member.join(**({"subscribed_topic_names": None, "subscribed_topic_regex": regex} | fields))
    return member


def test_an_expression_is_resolved_before_the_first_answer() -> None:
    scene = ConsumerScene()
    scene.set_topics(ab=1)
    member = by_regex(scene, "m", "a.*")
    assert (len(member.partitions("a")), member.partitions("ab"), member.partitions("b")) == (6, {0}, set())


def test_names_and_an_expression_add_up() -> None:
    scene = ConsumerScene()
    member = by_regex(scene, "m", "a", subscribed_topic_names=["b"])
    assert member.partitions("a") and member.partitions("b")


def test_what_is_no_expression_is_refused_and_changes_nothing() -> None:
    scene = ConsumerScene()
    member = by_regex(scene, "m", "a(")
    assert member.error == ErrorCode.INVALID_REGULAR_EXPRESSION
    assert not scene.core.groups and not scene.log


def test_a_topic_that_comes_to_be_is_found_after_ten_seconds_at_the_earliest() -> None:
    scene = ConsumerScene()
    member = by_regex(scene, "m", "a.*")
    scene.set_topics(ax=1)
    scene.pass_time(10_000)
    member.beat()
    assert member.partitions("ax") == set()
    scene.pass_time(1)
    member.beat()
    assert member.partitions("ax") == {0}


def test_without_new_topics_it_is_looked_again_only_after_the_refresh_interval() -> None:
    scene = ConsumerScene(group_consumer_session_timeout_ms=2 * REFRESH_MS)
    member = by_regex(scene, "m", "a")
    scene.pass_time(REFRESH_MS)
    records = len(scene.log)
    member.beat()
    assert len(scene.log) == records
    scene.pass_time(1)
    member.beat()
    assert len(scene.log) == records + 1, "the expression is recorded with its new date, and nobody rebalances"


def test_an_expression_that_nobody_uses_any_longer_is_forgotten() -> None:
    scene = ConsumerScene()
    first, second = by_regex(scene, "1", "a"), by_regex(scene, "2", "b")
    settle(first, second)
    assert scene.consumers().regexes.keys() == {"a", "b"}
    second.beat(subscribed_topic_regex="a")
    assert scene.consumers().regexes.keys() == {"a"}
    first.leave()
    second.leave()
    assert not scene.consumers().regexes
    assert scene.delete() == 0 and set({r.key: r.value for r in scene.log}.values()) == {None}


def test_who_takes_another_expression_reads_what_that_means() -> None:
    scene = ConsumerScene()
    member = by_regex(scene, "m", "a")
    member.beat(subscribed_topic_regex="b")
    member.beat()
    assert member.partitions("a") == set() and member.partitions("b") == {0, 1}
    member.beat(subscribed_topic_regex="", subscribed_topic_names=["a"])
    member.beat()
    assert len(member.partitions("a")) == 6 and member.partitions("b") == set()


def test_what_an_expression_means_is_known_to_the_next_coordinator() -> None:
    scene = ConsumerScene()
    member = by_regex(scene, "m", "a|b")
    standby = scene.restarted_consumers()
    assert standby.consumers().regexes == scene.consumers().regexes
    assert standby.beat(member.request(topic_partitions=())).error_code == 0
    assert standby.consumers().subscribed_topics() == {"a", "b"}
