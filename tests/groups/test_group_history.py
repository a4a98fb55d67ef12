"""Each rebalance is remembered with its cause and with the member that caused it; no more than the last ones."""

from __future__ import annotations

import pytest

from odradek.protocol.messages.leave_group import MemberIdentity
from odradek_broker.groups.history import MOST, MOST_CHARACTERS, Cause, History, Rebalance
from tests.groups.consumer_scene import ConsumerScene, settle
from tests.groups.group_scene import REBALANCE_MS, SESSION_MS, WALL_MS, Scene, range_protocol


def told(scene: Scene, group: str = "g") -> list[tuple[str, str, int]]:
    """Who, what, and which generation came of it."""
    rebalances = scene.core.rebalances(group)
    assert rebalances is not None
    return [(each.cause.member_id, each.cause.what, each.generation) for each in rebalances]


@pytest.fixture
def pair() -> Scene:
    """Members a and b in generation 2, of which a leads."""
    scene = Scene()
    scene.join(new_id="a")
    scene.sync("a", 1)
    scene.join(new_id="b")
    scene.pass_time(1_500)
    scene.join("a")
    scene.sync("b", 2)
    scene.sync("a", 2)
    assert scene.state() == "Stable"
    return scene


def test_who_joins_causes_a_rebalance_and_how_long_it_took_is_told(pair: Scene) -> None:
    assert told(pair) == [("a", "has joined", 1), ("b", "has joined", 2)]
    first, second = pair.core.rebalances("g") or ()
    assert (first.began_ms, first.took_ms, first.member_count) == (WALL_MS, 0, 1)
    assert (second.began_ms, second.took_ms, second.member_count) == (WALL_MS, 1_500, 2)
    assert (second.cause.client_id, second.cause.client_host) == ("c", "/h")


def test_who_leaves_is_told_with_its_reason(pair: Scene) -> None:
    pair.leave(MemberIdentity("b", reason="the consumer was closed"))
    assert told(pair)[2:] == [("b", "has left: the consumer was closed", -1)]
    pair.join("a")
    assert told(pair)[2:] == [("b", "has left: the consumer was closed", 3)]


def test_who_is_silent_is_told(pair: Scene) -> None:
    for _ in range(3):
        pair.pass_time(SESSION_MS // 2)
        pair.heartbeat("a", 2)
    assert told(pair)[2:] == [("b", f"was silent for {SESSION_MS // 1000} s", -1)]


def test_who_wants_something_else_is_told_and_who_leads_and_asks(pair: Scene) -> None:
    pair.join("b", protocols=range_protocol("u"))
    pair.join("a")
    pair.sync("b", 3)
    pair.sync("a", 3)
    pair.join("a")
    assert [told(pair)[2], told(pair)[3][:2]] == [
        ("b", "wants something else", 3),
        ("a", "leads, and asks for a rebalance"),
    ]


def test_who_never_asks_for_its_assignment_is_told(pair: Scene) -> None:
    pair.join("b", protocols=range_protocol("u"))
    pair.join("a")
    pair.sync("a", 3)
    while pair.heartbeat("b", 3) == 0:
        pair.heartbeat("a", 3)
        pair.pass_time(SESSION_MS // 2)
    assert told(pair)[3:] == [("b", f"has not asked for its assignment within {REBALANCE_MS // 1000} s", -1)]


def test_a_group_of_the_consumer_protocol_tells_its_epochs() -> None:
    scene = ConsumerScene()
    a, b = scene.member("a", "a"), scene.member("b", "a")
    a.join()
    b.join()
    assert [each[:2] for each in told(scene)] == [("a", "has joined"), ("b", "has joined")]
    assert told(scene)[0][2] == scene.consumers().epoch - 1
    assert [each.took_ms for each in scene.core.rebalances("g") or ()] == [0, -1]
    scene.pass_time(2_000)
    settle(a, b)
    assert [each.took_ms for each in scene.core.rebalances("g") or ()][1] == 2_000
    b.leave()
    scene.set_topics(a=9)
    settle(a)
    assert [each[:2] for each in told(scene)[2:]] == [
        ("b", "has left"),
        ("", "topics that members subscribe to have changed"),
    ]


def test_a_group_that_is_not_there_has_no_history() -> None:
    assert Scene().core.rebalances("g") is None


def test_no_more_than_the_last_ones_are_kept_and_of_a_clients_words_only_the_first() -> None:
    history, cause = History(), Cause("x")
    for number in range(MOST + 5):
        history.began(cause, number)
        history.ended(number, 1, number)
    assert [each.generation for each in history.rebalances] == list(range(5, MOST + 5))

    class Talker:
        member_id = client_id = client_host = "m" * 10_000

    said = Cause.by(Talker(), "has left", "r" * 10_000)
    assert [len(each) for each in (said.what, said.member_id, said.client_id, said.client_host)] == [
        MOST_CHARACTERS
    ] * 4


def test_one_that_goes_on_ends_where_the_next_begins_and_a_clock_set_back_makes_none_negative() -> None:
    history, cause = History(), Cause("x")
    history.ended(1, 1, 5)
    assert history.rebalances == ()
    history.began(cause, 10)
    history.began(cause, 30)
    history.ended(7, 2, 20)
    assert history.rebalances == (Rebalance(cause, 10, -1, 20, 0), Rebalance(cause, 30, 7, 0, 2))
