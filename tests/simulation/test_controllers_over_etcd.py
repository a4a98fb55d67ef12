"""Several controllers over etcd, in virtual time: any of them, and any member of etcd, may be gone, slow or cut off.

Throughout, the invariants of invariants.py and of several_controllers.py hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from test_known_losses import A, B, C, in_sync, partition, read, until, write
from world import SimNode, World

from odradek import Admin, Producer
from odradek.errors import OdradekError
from odradek_broker.election import etcd_journal

Scenario = Callable[[World], Awaitable[None]]


def play(scenario: Scenario, *, etcds: int = 1, combined: bool = False, watched: bool = True, **settings: Any) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed=1, etcds=etcds, controllers=3, combined=combined, watched=watched, **settings)
            await world.start()
            await create(world, "t")
            await scenario(world)
            nursery.cancel_scope.cancel()
        assert world.violation is None, world.violation

    run_in_virtual_time(1, run)


async def create(world: World, name: str, within_s: float = 60.0) -> None:
    """However often it takes: etcd may be away."""
    with trio.fail_after(within_s):
        async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=5_000) as admin:
            while True:
                try:
                    await admin.create_topic(name, replicas=[[A, B, C]])
                    return
                except OdradekError:
                    if name in await admin.list_topics():
                        return


def active(world: World) -> list[SimNode]:
    """All who would answer."""
    found = [(node, node.active_controller) for node in world.controllers]
    return [node for node, controller in found if controller is not None and controller.may_decide()]


async def another_than(world: World, former: SimNode) -> SimNode:
    await until(lambda: any(node is not former for node in active(world)), f"another than {former.name} decides")
    return next(node for node in active(world) if node is not former)


async def whole_again(world: World) -> None:
    world.network.heal()
    assert world.etcd is not None
    world.etcd.heal()
    for node in world.nodes:
        node.resume()
    await world.start()
    await until(lambda: in_sync(world) == {A, B, C}, "all are in sync")
    await until(lambda: len({partition(node).log.log_end_offset for node in world.brokers}) == 1, "logs are the same")


def cut(world: World, node: SimNode, names: list[str]) -> None:
    for name in names:
        if name != node.name:
            world.network.cut(node.name, name)


def etcd_names(world: World) -> list[str]:
    assert world.etcd is not None
    return [member.name for member in world.etcd.members]


@pytest.mark.parametrize("combined", [False, True])
def test_when_the_active_controller_is_killed_another_decides_at_once(combined: bool) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        former = world.controller
        began_s = trio.current_time()
        former.kill()
        await another_than(world, former)
        assert trio.current_time() - began_s < 1, "its lease lasts for three seconds"
        await create(world, "another")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, combined=combined)


@pytest.mark.parametrize("combined", [False, True])
def test_when_the_active_controller_is_stopped_it_ends_and_another_decides(combined: bool) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        former = world.controller
        with trio.fail_after(20):
            await former.stop()
        await another_than(world, former)
        await create(world, "another")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, combined=combined)


@pytest.mark.parametrize("combined", [False, True])
def test_an_active_controller_that_stands_still_is_replaced_and_hears_of_it_when_it_goes_on(combined: bool) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        former = world.controller
        former.pause()
        await another_than(world, former)
        await create(world, "another")
        former.resume()
        await trio.sleep(0.01)
        assert former not in active(world)
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, combined=combined)


@pytest.mark.parametrize("combined", [False, True])
def test_an_active_controller_that_is_cut_off_from_etcd_answers_nothing_when_another_may_decide(combined: bool) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        former = world.controller
        cut(world, former, etcd_names(world))
        await until(lambda: not active(world), "its term is over")
        await another_than(world, former)
        await create(world, "another")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, combined=combined)


@pytest.mark.parametrize("combined", [False, True])
def test_whoever_takes_over_by_force_ends_the_controller_before_it_within_a_renewal(combined: bool) -> None:
    """A rule in the way of one candidate to the active controller, which all others reach, rejects connections."""

    async def scenario(world: World) -> None:
        await write(world, "1")
        former = world.controller
        for rival in world.controllers:
            if rival is not former:
                world.network.refuse(rival.name, former.name)
        await another_than(world, former)
        await trio.sleep(1)
        assert former not in active(world)
        assert len(active(world)) == 1
        await create(world, "another")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, combined=combined)


@pytest.mark.slow
def test_two_candidates_that_take_each_other_for_dead_do_not_depose_each_other_for_ever() -> None:
    async def scenario(world: World) -> None:
        for one in world.controllers:
            for other in world.controllers:
                if one is not other:
                    world.network.refuse(one.name, other.name)
        await trio.sleep(10)
        (last,) = active(world)
        await trio.sleep(20)
        assert active(world) == [last]
        await create(world, "another", within_s=1)

    play(scenario)


def test_a_broker_that_only_the_deposed_controller_hears_is_put_out_when_none_of_its_answers_holds_any_more() -> None:
    """The deposed one is cut off from etcd as well, so that it hears of nothing until its term is over."""

    async def scenario(world: World) -> None:
        await write(world, "1")
        former, leader = world.controller, world.leader("t")
        assert leader is not None
        for rival in world.controllers:
            if rival is not former:
                world.network.refuse(rival.name, former.name)
                world.network.cut(rival.name, leader.name)
        cut(world, former, etcd_names(world))
        began_s = trio.current_time()
        await another_than(world, former)
        assert former in active(world), "it does not know yet"
        assert trio.current_time() - began_s < 1
        await until(lambda: world.leader("t") not in (leader, None), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


@pytest.mark.slow
def test_a_successor_with_a_shorter_session_waits_for_the_leases_that_a_longer_one_has_given() -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        former, leader = world.controller, world.leader("t")
        assert leader is not None
        rivals = [node for node in world.controllers if node is not former]
        for rival in rivals:
            await rival.stop()
            rival._settings["broker.session.timeout.ms"] = "1500"
            await rival.start()
            world.network.cut(rival.name, leader.name)
        await trio.sleep(1)
        former.kill(silently=True)
        await another_than(world, former)
        await until(lambda: world.leader("t") not in (leader, None), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, broker_session_timeout_ms="9000", broker_lease_ms="9000")


@pytest.mark.slow
def test_an_active_controller_that_no_broker_reaches_loses_nothing_and_all_work_when_they_do_again() -> None:
    """It puts everybody out, as it must: it cannot tell that it is itself who is cut off."""

    async def scenario(world: World) -> None:
        await write(world, "1")
        former = world.controller
        cut(world, former, [broker.name for broker in world.brokers])
        await until(lambda: world.leader("t") is None, "all have been put out")
        await trio.sleep(5)
        world.network.heal()
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


@pytest.mark.parametrize("loses_leader", [False, True])
def test_one_of_three_etcds_may_die(loses_leader: bool) -> None:
    async def scenario(world: World) -> None:
        assert world.etcd is not None
        former = world.controller
        member = next(each for each in world.etcd.members if (each is world.etcd.leader) is loses_leader)
        member.kill()
        await create(world, "another")
        await write(world, "1")
        await trio.sleep(5)
        assert active(world) == [former] or loses_leader
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario, etcds=3)


@pytest.mark.slow
def test_while_etcd_has_no_majority_nothing_is_decided_and_records_go_on_for_a_session() -> None:
    async def scenario(world: World) -> None:
        assert world.etcd is not None
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            await (await producer.send("t", b"1", partition=0))
            for member in world.etcd.members[1:]:
                member.kill()
            await until(lambda: not active(world), "nobody decides")
            await (await producer.send("t", b"2", partition=0))
            await trio.sleep(2)
            assert not active(world)
            await (await producer.send("t", b"3", partition=0))
            await trio.sleep(15)
            await world.etcd.start()
            await (await producer.send("t", b"4", partition=0))
        await create(world, "another")
        await whole_again(world)
        assert await read(world) == ["1", "2", "3", "4"]

    play(scenario, etcds=3, broker_session_timeout_ms="9000", broker_lease_ms="9000")


@pytest.mark.parametrize("reaches", ["the former leader", "the others"])
def test_members_of_etcd_that_are_cut_off_from_each_other_make_no_two_controllers(reaches: str) -> None:
    """The former leader of etcd goes on answering that leases last, while others have another leader, and another key.

    A rival has taken the active controller to be dead, and has revoked its lease there.
    """

    async def scenario(world: World) -> None:
        assert world.etcd is not None
        world.etcd.belief_s = (5.0, 5.0)
        former, leader = world.controller, world.etcd.leader
        assert leader is not None
        others = [member.name for member in world.etcd.members if member is not leader]
        for name in others:
            world.network.cut(leader.name, name)
        cut(world, former, others if reaches == "the former leader" else [leader.name])
        for rival in world.controllers:
            if rival is not former:
                world.network.refuse(rival.name, former.name)
        await another_than(world, former)
        await trio.sleep(6)
        await create(world, "another")
        await write(world, "1")
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario, etcds=3)


@pytest.mark.slow
def test_an_etcd_that_stood_still_and_answers_out_of_its_memory_makes_nobody_believe_in_a_lease_that_is_over() -> None:
    """The leader of etcd stands still with a renewal in its socket; when it goes on another one has led for long."""

    async def scenario(world: World) -> None:
        assert world.etcd is not None
        for _ in range(6):
            leader, former = world.etcd.leader, world.controller
            assert leader is not None
            cut(world, former, [name for name in etcd_names(world) if name != leader.name])
            leader.pause()
            await trio.sleep(6)
            leader.resume()
            await create(world, f"another-{leader.name}-{trio.current_time():.0f}")
            world.network.heal()
        await whole_again(world)

    play(scenario, etcds=3)


@pytest.mark.parametrize("rates", [(0.95, 1.05), (1.05, 0.95)])
def test_clocks_that_drift_apart_leave_one_controller_at_a_time(rates: tuple[float, float]) -> None:
    async def scenario(world: World) -> None:
        former = world.controller
        for node in world.nodes:
            node.clock.rate = rates[1]
        former.clock.rate = rates[0]
        await write(world, "1")
        for rival in world.controllers:
            if rival is not former:
                world.network.refuse(rival.name, former.name)
        cut(world, former, etcd_names(world))
        await another_than(world, former)
        await write(world, "2")
        await trio.sleep(15)
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_full_etcd_refuses_topics_and_the_same_controller_goes_on() -> None:
    async def scenario(world: World) -> None:
        assert world.etcd is not None
        former = world.controller
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            await (await producer.send("t", b"1", partition=0))
            world.etcd.store.is_full = True
            async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=2_000) as admin:
                for _ in range(3):
                    with pytest.raises(OdradekError):
                        await admin.create_topic("another", replicas=[[A, B, C]])
            await (await producer.send("t", b"2", partition=0))
        assert active(world) == [former]
        world.etcd.store.is_full = False
        await create(world, "another")
        assert active(world) == [former]
        assert await read(world) == ["1", "2"]

    play(scenario)


@pytest.mark.slow
def test_a_controller_that_is_killed_while_it_writes_a_snapshot_leaves_one_that_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At whatever moment: parts of it may be there, and the next controller writes its own."""
    monkeypatch.setattr(etcd_journal, "RECORDS_BETWEEN_SNAPSHOTS", 5)
    monkeypatch.setattr(etcd_journal, "PART_RECORDS", 2)

    async def scenario(world: World) -> None:
        assert world.etcd is not None
        store, cut_short = world.etcd.store, 0

        def parts() -> int:
            return sum(key.startswith(b"odradek/parts/") for key in store.keys)

        for number in range(12):
            pointer = store.keys.get(b"odradek/snapshot")
            enough = parts() + number % 4 + 1
            async with trio.open_nursery() as nursery:
                nursery.start_soon(create, world, f"another-{number}")
                with trio.move_on_after(3):
                    while parts() < enough:  # noqa: ASYNC110 (virtual time; nobody tells)
                        await trio.sleep(0.0005)
                    cut_short += store.keys.get(b"odradek/snapshot") is pointer
                    former = world.controller
                    former.kill()
                    await another_than(world, former)
            await world.start()
        assert cut_short > 2, "none of them was half done"
        await whole_again(world)
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            assert {f"another-{number}" for number in range(12)} <= set(await admin.list_topics())

    play(scenario)
