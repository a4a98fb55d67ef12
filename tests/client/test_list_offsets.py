"""Looking up offsets where not every leader answers: each partition has its own luck."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek import Admin, AuthorizationFailed, BrokerError, Consumer, Producer, TopicPartition
from odradek.offsets import EARLIEST
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_offsets import ListOffsetsRequest
from odradek.protocol.messages.metadata import MetadataResponseBroker
from tests.client.fake_broker import HOST, NODE_ID, PORT, FakeBroker, FakeStream

DEAF_NODE_ID, DEAF_HOST = 2, "deaf"


class PartlyLed(FakeBroker):
    """A cluster where some partitions of `orders` have another leader, or none."""

    def __init__(self, nursery: trio.Nursery, others: dict[int, int]) -> None:
        super().__init__(nursery, orders=3)
        self.others = others
        self.deaf_refuses = True
        self.listed: list[tuple[int, ...]] = []

    async def connect(self, host: str, port: int, tls: object = None) -> FakeStream:
        if host == DEAF_HOST:
            if self.deaf_refuses:
                raise ConnectionRefusedError("nobody there")
            await trio.sleep_forever()
        return await super().connect(host, port)

    async def _Metadata(self, request: Any, version: int) -> Any:
        answer = await super()._Metadata(request, version)
        topics = [
            replace(
                t,
                partitions=[replace(p, leader_id=self.others.get(p.partition_index, NODE_ID)) for p in t.partitions],
            )
            for t in answer.topics
        ]
        brokers = [MetadataResponseBroker(DEAF_NODE_ID, DEAF_HOST, PORT), MetadataResponseBroker(NODE_ID, HOST, PORT)]
        return replace(answer, brokers=brokers, topics=topics)

    async def _ListOffsets(self, request: Any, version: int) -> Any:
        self.listed += [tuple(p.partition_index for p in t.partitions) for t in request.topics]
        return await super()._ListOffsets(request, version)


async def broker_with_records(nursery: trio.Nursery, others: dict[int, int]) -> PartlyLed:
    broker = PartlyLed(nursery, {})
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        for partition in range(3):
            await producer.send("orders", b"%d" % partition, partition=partition)
    broker.others = others
    return broker


async def read_values(consumer: Consumer[Any, Any], count: int) -> list[bytes]:
    with trio.fail_after(4):
        return sorted([(await anext(consumer)).value for _ in range(count)])


async def test_a_partition_without_a_leader_does_not_keep_the_others_from_beginning(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    broker = await broker_with_records(nursery, {0: -1})
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await read_values(consumer, 2) == [b"1", b"2"]
        broker.others = {}
        assert await read_values(consumer, 1) == [b"0"]
    assert broker.listed == [(1, 2), (0,)], "what is found is not asked for again"


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_leader_that_cannot_be_reached_does_not_keep_the_others_from_beginning(
    nursery: trio.Nursery, autojump_clock: Any, refuses: bool
) -> None:
    broker = await broker_with_records(nursery, {0: DEAF_NODE_ID})
    broker.deaf_refuses = refuses
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        assert await read_values(consumer, 2) == [b"1", b"2"]
        assert any(wait.who == "positions" for wait in consumer.health().waiting)


async def test_a_final_error_is_that_of_its_partition_only(nursery: trio.Nursery, autojump_clock: Any) -> None:
    def forbid_the_first(request: Any, answer: Any) -> Any:
        def judged(p: Any) -> Any:
            return replace(p, error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED) if p.partition_index == 0 else p

        return replace(answer, topics=[replace(t, partitions=[judged(p) for p in t.partitions]) for t in answer.topics])

    broker = await broker_with_records(nursery, {})
    broker.script(ListOffsetsRequest, forbid_the_first)
    async with Consumer("fake", "orders", surroundings=broker.surroundings) as consumer:
        seen: list[bytes] = []
        refused = 0
        for _ in range(1000):
            try:
                seen.append((await anext(consumer)).value or b"")
            except AuthorizationFailed as error:
                assert "orders-0" in str(error)
                refused += 1
            if len(seen) == 2 and refused:
                break
        assert sorted(seen) == [b"1", b"2"] and refused


async def test_a_look_up_of_all_raises_what_the_missing_one_met(nursery: trio.Nursery, autojump_clock: Any) -> None:
    broker = await broker_with_records(nursery, {0: -1})
    partitions = {TopicPartition("orders", i): EARLIEST for i in range(3)}
    async with Admin("fake", surroundings=broker.surroundings) as admin:
        with pytest.raises(BrokerError, match="orders-0") as caught:
            await admin.list_offsets(partitions)
        assert caught.value.code == ErrorCode.LEADER_NOT_AVAILABLE
        broker.others = {}
        assert set(await admin.list_offsets(partitions)) == set(partitions)


async def test_offsets_of_a_topic_that_one_may_not_know_are_refused_at_once(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    broker = Hiding(nursery, orders=1)
    async with Consumer("fake", surroundings=broker.surroundings) as consumer:
        began_s = trio.current_time()
        with pytest.raises(AuthorizationFailed, match="orders-0"):
            await consumer.end_offsets(TopicPartition("orders", 0))
        assert trio.current_time() - began_s < 1


class Hiding(FakeBroker):
    """Nobody may describe its topics."""

    async def _Metadata(self, request: Any, version: int) -> Any:
        answer = await super()._Metadata(request, version)
        refused = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        return replace(answer, topics=[replace(each, error_code=refused, partitions=[]) for each in answer.topics])


async def test_a_final_error_does_not_wait_for_a_leader_that_is_silent(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    def forbid(request: Any, answer: Any) -> Any:
        code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        topics = [replace(t, partitions=[replace(p, error_code=code) for p in t.partitions]) for t in answer.topics]
        return replace(answer, topics=topics)

    broker = await broker_with_records(nursery, {0: DEAF_NODE_ID})
    async with Admin("fake", surroundings=broker.surroundings) as admin:
        # Leaders are known and one is connected to, or the silent one might be who is asked for metadata.
        await admin.list_offsets({TopicPartition("orders", 1): EARLIEST})
        broker.deaf_refuses = False
        broker.script(ListOffsetsRequest, forbid)
        with trio.fail_after(1), pytest.raises(AuthorizationFailed):
            await admin.list_offsets({TopicPartition("orders", i): EARLIEST for i in range(3)})
