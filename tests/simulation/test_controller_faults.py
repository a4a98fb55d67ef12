"""What the controller decides, and a controller that can decide nothing, may not do to acknowledged records.

Whole brokers in virtual time, as in test_known_losses.py.
"""

from __future__ import annotations

import itertools

import pytest
import trio
from test_known_losses import A, B, C, cut_followers, in_sync, partition, play, read, until, whole_again, write
from world import PORT, SimNode, World

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek.errors import OdradekError
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.controller.configs import Operation
from odradek_broker.controller.image import ResourceType
from odradek_broker.metadata.peer import Peer


async def try_to_create(world: World, name: str) -> bool:
    """Whether it was acknowledged."""
    async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=2_000) as admin:
        with trio.move_on_after(3):
            try:
                await admin.create_topic(name, replicas=[[A, B, C]])
            except OdradekError:
                return False
            return True
    return False


def test_a_controller_whose_journal_is_over_ends_and_the_next_one_elects() -> None:
    """One failed sync: it must not go on as one that answers heartbeats and decides nothing."""

    async def scenario(world: World) -> None:
        await write(world, "1")
        world.controller.disk.syncs_fail = True
        assert not await try_to_create(world, "another")
        await until(lambda: not world.controller.is_up, "the controller has ended")
        world.controller.disk.syncs_fail = False
        await world.controller.start()
        leader = world.leader("t")
        assert leader is not None
        leader.kill()
        await until(lambda: world.leader("t") not in (None, leader), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_controller_whose_disk_is_full_fences_the_dead_as_soon_as_there_is_room() -> None:
    """Until then nobody else leads, and whoever lives may go on with what it has."""

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1")
        world.controller.disk.is_full = True
        a.kill()
        assert not await try_to_create(world, "another")
        await trio.sleep(20)
        assert world.controller.is_up
        assert world.leader("t") is a, "nothing can be decided"
        world.controller.disk.is_full = False
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert in_sync(world) == {A, B, C}
        assert await read(world) == ["1", "2"]

    play(scenario)


# ------------------------------------------------------------------------------------------------ min.insync.replicas


async def lose(world: World, *brokers: int) -> None:
    """One after the other."""
    for broker in brokers:
        left = in_sync(world) - {broker}
        world.brokers[broker].kill()
        await until(lambda left=left: in_sync(world) == left, f"{broker} is out of sync")  # type: ignore[misc]


def through(world: World, node: SimNode) -> Peer:
    """To ask that broker and no other."""
    return Peer(world.network.port("client"), (node.name, PORT), "test")


async def set_min_insync(
    world: World, node: SimNode, value: str, kind: int = ResourceType.TOPIC, name: str = "t"
) -> None:
    change = AlterConfigsResource(kind, name, [AlterableConfig("min.insync.replicas", Operation.SET, value)])
    answer = await through(world, node).ask(
        IncrementalAlterConfigsRequest([change]), IncrementalAlterConfigsResponse, 1, 20
    )
    assert [each.error_code for each in answer.responses] == [0]


@pytest.mark.parametrize("whose", ["the topic's", "all brokers'"])
def test_records_committed_by_a_lower_min_insync_replicas_survive_the_leaders_death(whose: str) -> None:
    """B has left the ISR when two were needed, so that it could have led; then one is enough, and A commits alone."""
    resource = (ResourceType.TOPIC, "t") if whose == "the topic's" else (ResourceType.BROKER, "")

    async def scenario(world: World) -> None:
        a, b, _ = world.brokers
        await write(world, "1")
        await lose(world, C, B)
        await set_min_insync(world, a, "1", *resource)
        await write(world, "2", "3")
        await lose(world, A)
        await b.start()
        await trio.sleep(5)
        assert world.leader("t") is None, "B lacks what was acknowledged"
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]

    play(scenario)


@pytest.mark.slow
@pytest.mark.parametrize(("controllers", "brokers"), [("1", "2"), ("2", "1")])
def test_leaders_count_by_the_controllers_min_insync_replicas_whatever_they_were_given(
    controllers: str, brokers: str, caplog: pytest.LogCaptureFixture
) -> None:
    def arrange(world: World) -> None:
        for node in world.nodes:
            node._settings["min.insync.replicas"] = controllers if node is world.controller else brokers

    async def scenario(world: World) -> None:
        b = world.brokers[B]
        said = f"min.insync.replicas={brokers} was given to this process, and has no effect"
        assert caplog.text.count(said) == len(world.brokers), "each says so, once"
        await write(world, "1")
        await lose(world, C, B)
        acknowledged = ["1"]
        try:
            await write(world, "2")
        except OdradekError:
            assert controllers == "2"
        else:
            assert controllers == "1"
            acknowledged.append("2")
        await lose(world, A)
        await b.start()
        if controllers == "1":
            await trio.sleep(5)
            assert world.leader("t") is None, "A has committed alone"
        else:
            await until(lambda: world.leader("t") is b, "B has all that was committed")
        await whole_again(world)
        assert (await read(world))[: len(acknowledged)] == acknowledged

    play(scenario, arrange=arrange)


def test_a_leader_that_hears_at_once_of_a_higher_number_and_of_a_smaller_isr_commits_nothing_alone() -> None:
    """B may lead from then on, so what A has alone is not committed, though one in sync was enough until then."""

    async def scenario(world: World) -> None:
        a, b, _ = world.brokers
        await write(world, "1")
        await lose(world, C)
        committed = partition(a).high_watermark
        world.network.cut(a.name, b.name)
        world.network.cut(a.name, world.controller.name)
        world.nursery.start_soon(write_in_vain, world)
        await until(lambda: partition(a).log.log_end_offset > committed, "A has what nobody else has")
        # What A asks the controller is answered by the first of these; the others come together after that.
        create = CreateTopicsRequest([CreatableTopic("another", 1, 1)])
        await through(world, b).ask(create, CreateTopicsResponse, 7, 20)
        await set_min_insync(world, b, "2")
        await lose(world, B)
        decided = world.decided("t")
        assert decided is not None and (decided.isr, decided.elr) == ((A,), (B,))
        world.network.mend(a.name, world.controller.name)
        await until(lambda: a.broker is not None and a.broker.image.partition("t", 0) == decided, "A has heard of it")
        await trio.sleep(1)
        assert partition(a).high_watermark == committed
        world.network.heal()
        await whole_again(world)

    play(scenario, min_insync_replicas="1")


async def write_in_vain(world: World) -> None:
    try:
        await write(world, "only A has it")
    except OdradekError:
        pass


# ------------------------------------------------------------------------------------------------------------- leases


@pytest.mark.parametrize(
    ("controllers_rate", "brokers_rate", "brokers_session_ms"),
    [(1.05, 0.95, None), (0.95, 1.05, None), (1.0, 1.0, "9000"), (1.05, 0.95, "9000")],
)
def test_a_leader_that_is_cut_off_stops_before_it_is_fenced_whatever_clocks_and_settings_say(
    controllers_rate: float, brokers_rate: float, brokers_session_ms: str | None
) -> None:
    """The invariants watch it: who is fenced would answer for nothing any more."""

    def arrange(world: World) -> None:
        world.controller.clock.rate = controllers_rate
        for node in world.brokers:
            node.clock.rate = brokers_rate
            if brokers_session_ms is not None:
                node._settings["broker.session.timeout.ms"] = brokers_session_ms

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1")
        world.network.cut(a.name, world.controller.name)
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, arrange=arrange)


@pytest.mark.parametrize("pause_s", [2.0, 10.0])
def test_a_leader_that_has_stood_still_leads_no_more_when_it_goes_on(pause_s: float) -> None:
    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1")
        a.pause()
        await trio.sleep(pause_s)
        a.resume()
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


@pytest.mark.parametrize("pause_s", [2.0, 10.0])
def test_a_controller_that_has_stood_still_fences_nobody_for_it(pause_s: float) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        before = world.decided("t")
        world.controller.pause()
        await trio.sleep(pause_s)
        world.controller.resume()
        await trio.sleep(10)
        assert world.decided("t") == before
        await write(world, "2")
        assert await read(world) == ["1", "2"]

    play(scenario)


# ------------------------------------------------------------------------------------- living brokers that look dead


@pytest.mark.slow
def test_what_all_have_survives_a_firewall_that_makes_one_living_leader_after_the_other_look_dead() -> None:
    """The controller's probe is refused, so another leads at once, while the old one still has its lease."""

    async def scenario(world: World) -> None:
        place = TopicPartition("t", 0)
        acknowledged: list[str] = []
        seen: list[str] = []

        async def go_on_writing() -> None:
            async with Producer(world.bootstrap, surroundings=world.client()) as producer:
                for number in itertools.count():
                    sent = await producer.send("t", str(number).encode(), partition=0)
                    assert (await sent).offset == number
                    acknowledged.append(str(number))

        async def go_on_reading() -> None:
            async with Consumer(world.bootstrap, start="earliest", surroundings=world.client()) as consumer:
                await consumer.assign([place])
                while True:
                    for record in await consumer.poll(timeout_s=1):
                        assert record.offset == len(seen)
                        seen.append((record.value or b"").decode())

        async with trio.open_nursery() as clients:
            clients.start_soon(go_on_writing)
            clients.start_soon(go_on_reading)
            for _ in range(6):
                await until(lambda: in_sync(world) == {A, B, C}, "all are in sync")
                leader = world.leader("t")
                assert leader is not None
                count = len(acknowledged)
                world.network.refuse(world.controller.name, leader.name, reset=True)
                await until(lambda leader=leader: world.leader("t") not in (None, leader), "another leads")  # type: ignore[misc]
                await until(lambda count=count: len(acknowledged) > count + 20, "it goes on")  # type: ignore[misc]
                world.network.heal()
            clients.cancel_scope.cancel()
        await whole_again(world)
        found = await read(world)
        assert found[: len(acknowledged)] == acknowledged
        assert found[: len(seen)] == seen

    play(scenario)


def test_a_leader_that_the_living_controller_refuses_hears_from_other_brokers_that_it_is_deposed() -> None:
    """It takes the only controller to be dead, so its lease goes on; the others know better."""

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1")
        world.network.refuse(a.name, world.controller.name, reset=True)
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        with trio.fail_after(3):
            await until(lambda: not partition(a).is_leader, "A has heard of it")
        assert a.broker is not None and not a.broker.controller.has_lease
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_leader_that_nobody_tells_that_it_is_deposed_acknowledges_nothing_that_all_were_to_have() -> None:
    """The controller refuses it, and the others are cut off: acks=all is safe all the same, acks=1 is not."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, "1")
        cut_followers(world, a)
        world.network.refuse(a.name, world.controller.name, reset=True)
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await trio.sleep(5)
        assert partition(a).is_leader and a.broker is not None and a.broker.controller.has_lease
        for other in (b, c):
            world.network.cut("client", other.name)
        assert await write(world, "only A has it", acks=1) == [1]
        with trio.move_on_after(20):
            with pytest.raises(OdradekError):
                await write(world, "nobody was told of it")
        assert partition(a).high_watermark <= 1, "no reader sees what is not kept"
        for other in (b, c):
            world.network.mend("client", other.name)
        world.network.cut("client", a.name)
        assert await write(world, "2") == [1]
        await whole_again(world)
        assert (await read(world))[:2] == ["1", "2"]

    play(scenario)


def test_a_leader_whose_only_controller_is_dead_leads_on_though_it_asks_the_others() -> None:
    async def scenario(world: World) -> None:
        leader = world.leader("t")
        assert leader is not None
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            for number in range(10):
                await (await producer.send("t", str(number).encode(), partition=0))
                world.controller.kill()
                await trio.sleep(1)
        assert partition(leader).is_leader
        await whole_again(world)
        assert world.leader("t") is leader
        assert await read(world) == [str(number) for number in range(10)]

    play(scenario)


def test_a_leader_that_stops_while_its_controller_is_dead_leads_nothing_once_its_port_is_closed() -> None:
    """The next controller tries every port first, and takes it to be dead. The invariants watch what it does."""

    async def scenario(world: World) -> None:
        leader = world.leader("t")
        assert leader is not None
        await write(world, "1")
        cut_followers(world, leader)
        end = partition(leader).log.log_end_offset
        world.nursery.start_soon(write_in_vain, world)  # for whose answer it waits, up to five seconds
        await until(lambda: partition(leader).log.log_end_offset > end, "the leader has what nobody else has")
        world.controller.kill()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leader.stop)
            await until(lambda: leader.broker is None or leader.broker.is_stopping, "its port is closed")
            await world.controller.start()
            await until(lambda: world.leader("t") not in (None, leader), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert [value for value in await read(world) if value in ("1", "2")] == ["1", "2"]

    play(scenario)


def test_a_deposed_leader_that_hears_at_once_of_its_successor_and_of_a_lower_number_commits_nothing() -> None:
    """Alone, it would be enough by the new number; but by then B leads, which lacks what A has."""

    async def scenario(world: World) -> None:
        a, b, _ = world.brokers
        await write(world, "1")
        await lose(world, C, B)
        world.network.cut(a.name, b.name)
        await b.start()
        assert await write_to(world, a, "only A has it") == 1
        world.network.cut(a.name, world.controller.name)
        world.network.refuse(world.controller.name, a.name, reset=True)
        await until(lambda: world.leader("t") is b, "B leads, out of those that were eligible")
        await set_min_insync(world, b, "1")
        decided = world.decided("t")
        world.network.mend(a.name, world.controller.name)
        await until(lambda: a.broker is not None and a.broker.image.partition("t", 0) == decided, "A has heard of it")
        assert partition(a).high_watermark <= 1
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario)


async def write_to(world: World, node: SimNode, value: str) -> int:
    """With acks=1, by whoever asks that broker; its offset."""
    async with Producer(f"{node.name}:{PORT}", acks=1, surroundings=world.client()) as producer:
        return (await (await producer.send("t", value.encode(), partition=0))).offset


# ---------------------------------------------------------------------------------------------------- late requests


def test_a_deletion_that_arrives_late_does_not_delete_the_topic_that_was_made_again() -> None:
    """A forwards it into a cut; whoever asked gives up, deletes through B, makes the topic again, and writes."""

    async def scenario(world: World) -> None:
        a, b, _ = world.brokers
        await write(world, "of the first topic")
        network, controller = world.network, world.controller.name
        await set_min_insync(world, a, "2")  # now there is a connection for what A forwards
        network.cut(a.name, controller, one_way=True)
        delete = DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=2_000)
        answer = await through(world, a).ask(delete, DeleteTopicsResponse, 6, 20)
        assert answer.responses[0].error_code == ErrorCode.REQUEST_TIMED_OUT
        answer = await through(world, b).ask(delete, DeleteTopicsResponse, 6, 20)
        assert answer.responses[0].error_code == 0
        async with Admin(f"{b.name}:{PORT}", surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[B, C, A]])
        assert await write(world, "1") == [0]
        await trio.sleep(5)
        network.heal()
        await trio.sleep(10)
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario)
