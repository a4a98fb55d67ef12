"""By which protocol a consumer takes part in its group, where the program leaves that open; and how soon it reads."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek import Consumer, GroupNotFound, Producer
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.leave_group import LeaveGroupRequest
from odradek.protocol.messages.metadata import MetadataRequest
from tests.client.fake_broker import FakeBroker, refuse

HEARTBEAT = ConsumerGroupHeartbeatRequest.API_KEY


@pytest.fixture
async def broker(nursery: trio.Nursery) -> FakeBroker:
    """With three records in orders, and both protocols."""
    broker = FakeBroker(nursery, orders=1)
    broker.versions[HEARTBEAT] = (0, 1)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        for i in range(3):
            await producer.send("orders", b"%d" % i)
    return broker


def answers(code: ErrorCode) -> Any:
    """A step of a script."""

    def refused(_: Any, answer: Any) -> Any:
        return replace(answer, error_code=code, error_message="no")

    return refused


def protocol_of(consumer: Consumer[Any, Any]) -> str:
    group = consumer.health().group
    assert group is not None
    return group.protocol


async def test_it_is_the_newer_one_where_the_broker_has_it(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert [(await anext(consumer)).offset for _ in range(3)] == [0, 1, 2]
        assert protocol_of(consumer) == "consumer"
    assert broker.committed == {("orders", 0): 3}
    assert broker.count(JoinGroupRequest) == 0


@pytest.mark.parametrize("versions", [None, (0, 0)])
async def test_it_is_the_classic_one_where_the_broker_has_no_other_or_a_preview_of_it(
    broker: FakeBroker, autojump_clock: Any, versions: tuple[int, int] | None
) -> None:
    del broker.versions[HEARTBEAT]
    if versions is not None:
        broker.versions[HEARTBEAT] = versions
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert (await anext(consumer)).offset == 0
        assert protocol_of(consumer) == "classic"
    assert broker.count(ConsumerGroupHeartbeatRequest) == 0


@pytest.mark.parametrize(
    "of_classic_members", [{"assignors": ["range"]}, {"session_timeout_ms": 10_000}, {"heartbeat_interval_ms": 1_000}]
)
async def test_who_says_what_only_a_classic_member_has_is_one(
    broker: FakeBroker, autojump_clock: Any, of_classic_members: dict[str, Any]
) -> None:
    options = {"surroundings": broker.surroundings, **of_classic_members}
    async with Consumer("fake", "orders", group="g", **options) as consumer:
        assert (await anext(consumer)).offset == 0
        assert protocol_of(consumer) == "classic"
    async with Consumer("fake", "orders", group="g", protocol="consumer", **options) as consumer:
        assert protocol_of(consumer) == "consumer", "what is asked for is done"


@pytest.mark.parametrize("code", [ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.UNSUPPORTED_VERSION])
async def test_a_group_that_cannot_go_over_is_joined_by_the_classic_one(
    broker: FakeBroker, autojump_clock: Any, code: ErrorCode
) -> None:
    broker.script(ConsumerGroupHeartbeatRequest, answers(code))
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert [(await anext(consumer)).offset for _ in range(3)] == [0, 1, 2]
        assert protocol_of(consumer) == "classic"
        assert await consumer.commit() == {("orders", 0): 3}
    assert broker.count(ConsumerGroupHeartbeatRequest) == 1
    assert broker.count(LeaveGroupRequest) == 1


async def test_who_asks_for_the_newer_one_hears_that_it_is_refused(broker: FakeBroker, autojump_clock: Any) -> None:
    broker.script(ConsumerGroupHeartbeatRequest, answers(ErrorCode.GROUP_ID_NOT_FOUND))
    with pytest.raises(GroupNotFound):
        async with Consumer(
            "fake", "orders", group="g", protocol="consumer", surroundings=broker.surroundings
        ) as consumer:
            await anext(consumer)
    assert broker.count(JoinGroupRequest) == 0


async def test_a_refusal_of_one_that_was_a_member_is_raised(broker: FakeBroker, autojump_clock: Any) -> None:
    forgotten, refused = answers(ErrorCode.UNKNOWN_MEMBER_ID), answers(ErrorCode.GROUP_ID_NOT_FOUND)
    broker.script(ConsumerGroupHeartbeatRequest, None, forgotten, refused)
    with pytest.raises(GroupNotFound):
        async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
            await consumer.poll(timeout_s=60)
            await consumer.poll(timeout_s=60)
    assert broker.count(JoinGroupRequest) == 0


async def test_who_was_taken_for_dead_joins_again_though_the_group_has_become_a_classic_one(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
        assert [(await anext(consumer)).offset for _ in range(3)] == [0, 1, 2]
        broker.script(ConsumerGroupHeartbeatRequest, answers(ErrorCode.GROUP_ID_NOT_FOUND))
        await consumer.poll(timeout_s=20)
        assert [each.member_epoch for each in broker.seen if type(each) is ConsumerGroupHeartbeatRequest].count(0) == 2
        assert consumer.assignment == [("orders", 0)] and protocol_of(consumer) == "consumer"


async def test_who_joins_again_by_a_pattern_waits_for_brokers_that_cannot_be_reached(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    async with Consumer("fake", pattern="ord.*", group="g", surroundings=broker.surroundings) as consumer:
        assert [(await anext(consumer)).offset for _ in range(3)] == [0, 1, 2]
        broker.script(ConsumerGroupHeartbeatRequest, answers(ErrorCode.UNKNOWN_MEMBER_ID))
        broker.script(MetadataRequest, *[refuse] * 5)
        await consumer.poll(timeout_s=20)
        assert consumer.assignment == [("orders", 0)]


async def test_a_static_member_waits_for_the_session_of_the_one_that_was_killed(
    broker: FakeBroker, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    held = answers(ErrorCode.UNRELEASED_INSTANCE_ID)
    broker.script(ConsumerGroupHeartbeatRequest, *[held] * 40)
    began = trio.current_time()
    async with Consumer("fake", "orders", group="g", instance_id="i", surroundings=broker.surroundings) as consumer:
        assert await consumer.poll(timeout_s=10) == []
        assert any("another member is i" in each.why for each in consumer.health().waiting)
        assert (await anext(consumer)).offset == 0
        assert not any("another member" in each.why for each in consumer.health().waiting)
    assert 35 < trio.current_time() - began < 45
    assert sum("another member has the instance_id i" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
async def test_the_first_record_comes_at_once(broker: FakeBroker, autojump_clock: Any, protocol: Any) -> None:
    """Nothing on the way waits for a clock: on this one, whatever does costs its whole pause."""
    began = trio.current_time()
    async with Consumer("fake", "orders", group="g", protocol=protocol, surroundings=broker.surroundings) as consumer:
        assert (await anext(consumer)).offset == 0
        assert trio.current_time() - began < 0.1


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
async def test_a_consumer_that_is_cancelled_leaves_its_group(
    broker: FakeBroker, autojump_clock: Any, protocol: Any
) -> None:
    with trio.CancelScope() as scope:
        async with Consumer(
            "fake", "orders", group="g", protocol=protocol, surroundings=broker.surroundings
        ) as consumer:
            await anext(consumer)
            scope.cancel()
            await anext(consumer)
    assert scope.cancelled_caught
    assert broker.committed == {}
    farewells = [each for each in broker.seen if getattr(each, "member_epoch", 0) == -1]
    assert len(farewells) + broker.count(LeaveGroupRequest) == 1


async def test_a_join_on_its_way_does_not_come_after_the_farewell(
    broker: FakeBroker, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out, usual = [], broker._ConsumerGroupHeartbeat

    async def slowly(request: ConsumerGroupHeartbeatRequest, version: int) -> Any:
        if request.member_epoch == 0:
            await trio.sleep(0.3)
        carried_out.append(request.member_epoch)
        return await usual(request, version)

    monkeypatch.setattr(broker, "_ConsumerGroupHeartbeat", slowly)
    with trio.move_on_after(0.1):
        async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
            await anext(consumer)
    assert carried_out == [0, -1]


async def test_a_broker_that_hangs_does_not_keep_a_consumer_that_is_cancelled(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    began = trio.current_time()
    with trio.CancelScope() as scope:
        async with Consumer("fake", "orders", group="g", surroundings=broker.surroundings) as consumer:
            await anext(consumer)
            broker.script(ConsumerGroupHeartbeatRequest, *[lambda *_: None] * 100)
            scope.cancel()
            await anext(consumer)
    assert scope.cancelled_caught
    assert trio.current_time() - began <= 1.5
