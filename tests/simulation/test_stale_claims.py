"""What is written down of a log must not outlive what it was written of: the topic, or the records that were cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import ParamSpec

import pytest
import trio
from test_known_losses import (
    cut_followers,
    heal_without,
    in_sync,
    partition,
    play,
    read,
    until,
    whole_again,
    write,
)
from world import PORT, SimNode, World

from odradek import Admin
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek_broker.log.checkpoints import decode_offsets
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS, LOG_START_OFFSETS, NAMES, RECOVERY_POINTS
from odradek_broker.metadata.peer import Peer
from odradek_broker.partitions.checkpoints import CURRENT

A, B, C = 0, 1, 2


async def delete_records(world: World, offset: int) -> None:
    leader = world.leader("t")
    assert leader is not None
    peer = Peer(world.network.port("client"), (leader.name, PORT), "test")
    try:
        topic = DeleteRecordsTopic("t", [DeleteRecordsPartition(0, offset)])
        request = DeleteRecordsRequest(topics=[topic], timeout_ms=5_000)
        answer = await peer.ask(request, DeleteRecordsResponse, 2, 10)
    finally:
        peer.close()
    assert (answer.topics[0].partitions[0].error_code, answer.topics[0].partitions[0].low_watermark) == (0, offset)


async def make_topic_again(world: World) -> None:
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        await admin.delete_topic("t")
        await admin.create_topic("t", replicas=[[A, B, C]])
    await until(lambda: world.leader("t") is not None, "the new topic is led")


def on_disk(node: SimNode, name: str) -> dict[tuple[bytes, int], int]:
    path = str(PurePosixPath("/data") / name)
    return decode_offsets(node.disk.read_file(path)) if node.disk.exists(path) else {}


def claims_too_much(node: SimNode) -> str | None:
    """What the files of a broker say beyond what holds in its memory."""
    if node.broker is None or not node.is_up:
        return None
    for each in node.broker.partitions.values():
        for name in NAMES:
            written, holds = on_disk(node, name).get((each.topic_id, each.index), 0), CURRENT[name](each)
            if written > holds:
                return f"{node.name}: {name} says {written} of {each}, where {holds} holds"
    return None


def test_a_topic_made_again_under_its_name_begins_at_offset_0() -> None:
    async def scenario(world: World) -> None:
        await write(world, *[f"old {i}" for i in range(50)])
        await delete_records(world, 40)
        await trio.sleep(61)
        assert any(on_disk(node, LOG_START_OFFSETS) for node in world.brokers), "it has been written down"
        await make_topic_again(world)
        assert await write(world, "new 0", "new 1") == [0, 1]
        await trio.sleep(61)
        for node in world.brokers:
            for name in NAMES:
                keys = {(partition(node).topic_id, 0)}
                assert set(on_disk(node, name)) <= keys, "what was deleted is not mentioned any more"

    play(scenario, watched=False)


def test_records_are_deleted_when_those_know_it_who_may_lead_next_without_being_in_sync() -> None:
    """B has died with all that is committed, and is eligible: led by it alone, the partition begins where it says."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, *[f"{i}" for i in range(10)])
        await until(lambda: partition(b).high_watermark == 10, "B knows it")
        c.kill()
        await until(lambda: in_sync(world) == {A, B}, "C is out of sync")
        b.kill()
        await until(lambda: in_sync(world) == {A}, "B is out of sync")
        decided = world.decided("t")
        assert decided is not None and decided.elr == (B,)
        async with trio.open_nursery() as nursery:
            is_answered = trio.Event()

            async def delete() -> None:
                await delete_records(world, 5)
                is_answered.set()

            nursery.start_soon(delete)
            await trio.sleep(2)
            assert not is_answered.is_set(), "B may lead next, and knows nothing of it"
            await b.start()
            await is_answered.wait()
        a.kill()
        await until(lambda: world.leader("t") is b, "B leads")
        assert partition(b).log.log_start_offset == 5
        await world.start()
        await until(lambda: in_sync(world) == {A, B, C}, "all are in sync")
        assert {partition(node).log.log_start_offset for node in world.brokers} == {5}

    play(scenario)


def test_a_new_topic_is_not_committed_as_far_as_the_old_one_of_its_name_was() -> None:
    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, *[f"old {i}" for i in range(50)])
        await trio.sleep(6)
        assert on_disk(a, HIGH_WATERMARKS), "it has been written down"
        await make_topic_again(world)
        await write(world, "new 0")
        await until(lambda: partition(a).high_watermark == 1, "it is committed")
        leader = world.leader("t")
        assert leader is not None
        cut_followers(world, leader)
        await write(world, "only one has it", acks=1)
        leader.kill()
        await leader.start()
        assert partition(leader).high_watermark <= 1, "nobody may see what is not committed"

    play(scenario, watched=False)


@pytest.mark.parametrize("power", [False, True])
def test_no_file_claims_what_a_follower_has_cut(power: bool) -> None:
    """A has synced, and written down, what no other has; then it follows B, which has never heard of that."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, "1")
        cut_followers(world, a)
        await write(world, *[f"only A has {i}" for i in range(9)], acks=1)
        await until(lambda: on_disk(a, RECOVERY_POINTS).get((partition(a).topic_id, 0)) == 10, "that is written down")
        a.kill(power=power)
        heal_without(world, a)
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await write(world, "2", "3")
        for other in (b, c):
            world.network.slow(other.name, a.name, 0.02)
        await a.start()
        fallen = False
        while partition(a).log.log_end_offset != 3 or not fallen:
            fallen = fallen or partition(a).log.log_end_offset < 10
            assert claims_too_much(a) is None, claims_too_much(a)
            await trio.sleep(0.0005)
        a.kill(power=power)
        await a.start()
        assert claims_too_much(a) is None, claims_too_much(a)
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]

    play(scenario, watched=False, min_insync_replicas="1")


P = ParamSpec("P")


def noting(replace: Callable[P, None], written: list[object]) -> Callable[P, None]:
    """The same, and the path that it is given is noted."""

    def replace_and_note(*args: P.args, **more: P.kwargs) -> None:
        written.append(args[0])
        replace(*args, **more)

    return replace_and_note


@pytest.mark.slow
def test_what_has_not_changed_is_not_written_again() -> None:
    async def scenario(world: World) -> None:
        await write(world, "1", "2", "3")
        await trio.sleep(61)
        written: list[object] = []
        for node in world.brokers:
            node.disk.replace_file = noting(node.disk.replace_file, written)  # type: ignore[method-assign]
        await trio.sleep(120)
        assert [path for path in written if str(path).endswith("checkpoint")] == []
        await write(world, "4")
        await trio.sleep(2)
        assert {path for path in written if str(path).endswith("checkpoint")} == {f"/data/{RECOVERY_POINTS}"}

    play(scenario, watched=False)
