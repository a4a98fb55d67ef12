"""Who is told that a record is kept, and when: through changes of leaders, lapses of leases, slow disks.

Whole brokers in virtual time; throughout, the invariants of invariants.py hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from test_known_losses import A, B, Scenario, until
from world import SimNode, World

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.framing import FrameBuffer
from odradek.protocol.headers import encode_request, read_response_header
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, TopicPartitions
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.metadata.peer import Peer
from odradek_broker.metadata.remote import RemoteController
from odradek_broker.partitions.partition import Partition

Job: TypeAlias = Callable[[], None]
Done: TypeAlias = Callable[[Exception | None], None]

PREFERRED = 0


def play(scenario: Scenario, *, watched: bool = True, **settings: Any) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed=1, watched=watched, **settings)
            await world.start()
            await scenario(world)
            assert world.violation is None, world.violation
            nursery.cancel_scope.cancel()
        assert world.violation is None, world.violation

    run_in_virtual_time(1, run)


def asker(world: World, node: SimNode) -> Peer:
    return Peer(world.network.port("client"), (node.name, 9092), "raw")


def produce(*entries: tuple[str, str], timeout_ms: int = 60_000, acks: int = -1) -> ProduceRequest:
    """One record for partition 0 of each topic."""

    def data(value: str) -> list[PartitionProduceData]:
        batch = bytes(build_batch([Record(timestamp=1, value=value.encode())]))
        return [PartitionProduceData(index=0, records=memoryview(batch))]

    return ProduceRequest(
        acks=acks,
        timeout_ms=timeout_ms,
        topic_data=[TopicProduceData(name=name, partition_data=data(value)) for name, value in entries],
    )


def in_order(responses: Sequence[ProduceResponse]) -> list[PartitionProduceResponse]:
    return [topic.partition_responses[0] for response in responses for topic in response.responses]


async def ask_pipelined(world: World, node: SimNode, requests: Sequence[ProduceRequest]) -> list[ProduceResponse]:
    """All sent at once over one connection."""
    stream = await world.network.port("client").connect(node.name, 9092)
    for number, request in enumerate(requests):
        await stream.send(encode_request(request, 9, number, "raw"))
    buffer, answers = FrameBuffer(1 << 20), list[Any]()
    while len(answers) < len(requests):
        while (frame := buffer.next_frame()) is None:
            buffer.received(await stream.receive_into(buffer.room))
        _, position = read_response_header(frame, ProduceResponse, 9)
        answers.append(decode(ProduceResponse, frame, 9, position))
    return answers


async def elect_preferred(world: World, node: SimNode, topic: str) -> None:
    request = ElectLeadersRequest(
        election_type=PREFERRED, topic_partitions=[TopicPartitions(topic, [0])], timeout_ms=5_000
    )
    await asker(world, node).ask(request, ElectLeadersResponse, 2, 20)


async def write(world: World, topic: str, *values: str) -> list[int]:
    async with Producer(world.bootstrap, surroundings=world.client(), request_timeout_ms=2_000) as producer:
        return [(await (await producer.send(topic, value.encode(), partition=0))).offset for value in values]


async def read(world: World, topic: str) -> list[str]:
    async with Consumer(world.bootstrap, start="earliest", surroundings=world.client()) as consumer:
        place = TopicPartition(topic, 0)
        await consumer.assign([place])
        end, found = (await consumer.end_offsets(place))[place], []
        while (consumer.position(place) or 0) < end:
            found += [(record.value or b"").decode() for record in await consumer.poll(timeout_s=1)]
        return found


def partition(node: SimNode, topic: str) -> Partition:
    assert node.broker is not None
    return node.broker.partitions[topic, 0]


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_produce_whose_turn_to_be_answered_comes_late_is_not_told_of_another_leaders_record(pipelined: bool) -> None:
    """Its leader is a follower by then, with other records at these offsets, and knows them to be committed."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("slow", replicas=[[0, 2]])
            await admin.create_topic("moves", replicas=[[1, 0]])
        b.kill()
        await until(lambda: world.leader("moves") is a, "A leads")
        await b.start()
        await until(lambda: set(world.decided("moves").isr) == {A, B}, "both are in sync")  # type: ignore[union-attr]
        await write(world, "slow", "x")
        await write(world, "moves", "y")
        world.network.cut(a.name, c.name)
        world.network.cut(a.name, b.name)
        answers: list[ProduceResponse] = []

        async def send() -> None:
            slow, moves = ("slow", "kept"), ("moves", "lost")
            answers.extend(
                await ask_pipelined(world, a, [produce(slow), produce(moves)] if pipelined else [produce(slow, moves)])
            )

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(0.2)
            assert partition(a, "moves").log.log_end_offset == 2
            await elect_preferred(world, b, "moves")
            await until(lambda: world.leader("moves") is b, "B leads")
            world.network.mend(a.name, b.name)
            assert await write(world, "moves", "1", "2", "3") == [1, 2, 3]
            await until(lambda: partition(a, "moves").high_watermark >= 4, "A follows")
            world.network.mend(a.name, c.name)
        kept, lost = in_order(answers)
        assert (kept.error_code, kept.base_offset) == (ErrorCode.NONE, 1)
        assert (lost.error_code, lost.base_offset) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
        assert await read(world, "moves") == ["y", "1", "2", "3"]

    play(scenario, replica_lag_time_max_ms="30000")


def test_a_coordinator_whose_lease_lapsed_for_a_moment_coordinates_again() -> None:
    """Its commit was waiting when the lease was over. It was never fenced, so it leads as before."""

    async def scenario(world: World) -> None:
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[0, 1, 2]])
        place = TopicPartition("t", 0)
        async with Consumer(world.bootstrap, group="g", surroundings=world.client()) as consumer:
            await consumer.assign([place])
            await consumer.commit({place: 1})
        node = world.leader("__consumer_offsets")
        assert node is not None and node.broker is not None
        controller = node.broker.controller
        assert isinstance(controller, RemoteController)

        async def commit(offset: int) -> int:
            topics = [OffsetCommitRequestTopic("t", partitions=[OffsetCommitRequestPartition(0, offset)])]
            request = OffsetCommitRequest(group_id="g", topics=topics)
            answer = await asker(world, node).ask(request, OffsetCommitResponse, 8, 30)
            return answer.topics[0].partitions[0].error_code

        world.network.cut(node.name, "controller")
        lapses_at_s = controller.lease.until_ms / 1000
        await trio.sleep_until(lapses_at_s - 0.004)
        for other in world.brokers:
            if other is not node:
                world.network.slow(node.name, other.name, 0.05)
        codes: list[int] = []

        async def commit_meanwhile() -> None:
            codes.append(await commit(5))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(commit_meanwhile)
            await trio.sleep_until(lapses_at_s + 0.02)
            assert not controller.has_lease
            world.network.heal()
            await until(lambda: controller.has_lease, "the lease is there again")
        assert codes == [ErrorCode.NOT_COORDINATOR]
        assert world.leader("__consumer_offsets") is node, "it was never fenced"
        assert await commit(7) == ErrorCode.NONE

    play(scenario)


def test_a_reader_that_knows_more_than_a_new_leader_does_not_hear_of_lost_records() -> None:
    """A new leader learns late how far the one before had come: the end of an epoch is not its high watermark."""

    async def scenario(world: World) -> None:
        a, _, _ = world.brokers
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[0, 1, 2]])
        await write(world, "t", *"abcd")
        assert await read(world, "t") == [*"abcd"]
        epoch = partition(a, "t").leader_epoch
        world.network.cut(world.brokers[1].name, world.brokers[2].name)
        a.kill()
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        leader = world.leader("t")
        assert leader is not None
        await until(lambda: partition(leader, "t").is_leader, "it knows")
        assert partition(leader, "t").high_watermark < 4, "it does not know yet"
        asked = OffsetForLeaderPartition(partition=0, leader_epoch=epoch)
        request = OffsetForLeaderEpochRequest(replica_id=-1, topics=[OffsetForLeaderTopic("t", [asked])])
        answer = await asker(world, leader).ask(request, OffsetForLeaderEpochResponse, 4, 5)
        assert answer.topics[0].partitions[0].end_offset == 4

    play(scenario)


def test_a_follower_asks_another_leader_only_when_what_it_holds_is_flushed() -> None:
    """Its disk is slow, and has not written down yet what the leader before had sent."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[0, 2, 1]])
        await write(world, "t", "1")
        assert b.broker is not None
        held: list[tuple[Job, Done]] = []
        workers, submit = b.broker.workers, b.broker.workers.submit

        def release() -> None:
            workers.submit = submit  # type: ignore[method-assign]
            while held:
                job, done = held.pop()
                job()
                done(None)

        workers.submit = lambda job, done: held.append((job, done))  # type: ignore[method-assign]
        try:
            await asker(world, a).ask(produce(("t", "2"), acks=1), ProduceResponse, 9, 5)
            await until(lambda: partition(b, "t").log.log_end_offset == 2, "B has it")
            await until(lambda: partition(c, "t").log.flushed_offset == 2, "C has it for good")
            a.kill()
            await until(lambda: world.leader("t") is c and partition(c, "t").is_leader, "C leads")
            await trio.sleep(0.5)
            assert partition(b, "t").leader_epoch == partition(c, "t").leader_epoch
            assert world.decided("t").isr == (2, 1)  # type: ignore[union-attr]
            assert partition(c, "t").high_watermark == 1, "a power cut could still take it from B"
        finally:
            release()
        with trio.fail_after(0.1):
            await until(lambda: partition(c, "t").high_watermark == 2, "B asks as soon as it is flushed")

    play(scenario, replica_lag_time_max_ms="30000")


async def delete_records(world: World, node: SimNode, offset: int, timeout_ms: int = 10_000) -> tuple[int, int]:
    """Of t-0: the error code, and where it begins."""
    wanted = DeleteRecordsTopic("t", [DeleteRecordsPartition(0, offset)])
    request = DeleteRecordsRequest(topics=[wanted], timeout_ms=timeout_ms)
    answer = await asker(world, node).ask(request, DeleteRecordsResponse, 2, 30)
    one = answer.topics[0].partitions[0]
    return one.error_code, one.low_watermark


@pytest.mark.parametrize("policy", ["sync", "interval"])
def test_deleted_records_do_not_come_back_with_another_leader_nor_after_a_power_cut(policy: str) -> None:
    async def scenario(world: World) -> None:
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[0, 1, 2]])
        await write(world, "t", *"abcdef")
        began = trio.current_time()
        assert await delete_records(world, world.brokers[A], 4) == (ErrorCode.NONE, 4)
        assert trio.current_time() - began < 0.1, "followers do not sit their long polls out"
        for node in world.brokers:
            node.kill(power=True)
        for node in reversed(world.brokers):
            await node.start()
        await until(lambda: all(partition(node, "t").leader_epoch > 0 for node in world.brokers), "all know a leader")
        assert [partition(node, "t").log.log_start_offset for node in world.brokers] == [4, 4, 4]

    play(scenario, watched=False, log_flush_policy=policy)


def test_records_are_not_deleted_before_every_replica_in_sync_has_written_that_down() -> None:
    async def scenario(world: World) -> None:
        a, b, _ = world.brokers
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[0, 1, 2]])
        await write(world, "t", *"abcdef")
        world.network.cut(a.name, b.name)
        assert await delete_records(world, a, 4, timeout_ms=1_000) == (ErrorCode.REQUEST_TIMED_OUT, -1)
        assert partition(b, "t").log.log_start_offset == 0
        world.network.heal()
        assert await delete_records(world, a, 4) == (ErrorCode.NONE, 4)
        assert partition(b, "t").log.log_start_offset == 4

    play(scenario, watched=False, replica_lag_time_max_ms="30000")


def test_a_replica_that_cannot_write_down_what_is_deleted_is_not_told_again_and_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World) -> None:
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.create_topic("t", replicas=[[A, B]])
        await write(world, "t", "1", "2", "3")
        node = world.leader("t")
        assert node is world.brokers[A]
        follower = world.brokers[B].broker
        assert follower is not None
        tries, write_down = 0, follower.checkpoints.write

        async def counted(names: Collection[str]) -> None:
            nonlocal tries
            tries += 1
            await write_down(names)

        monkeypatch.setattr(follower.checkpoints, "write", counted)
        world.brokers[B].disk.is_full = True
        code, _ = await delete_records(world, node, 2, timeout_ms=2_000)
        assert code == ErrorCode.REQUEST_TIMED_OUT
        assert 1 < tries < 20
        assert sum("cannot write down where logs begin" in line for line in caplog.messages) == 1
        world.brokers[B].disk.is_full = False
        assert (await delete_records(world, node, 2))[0] == ErrorCode.NONE

    play(scenario)
