"""A controller whose journal may have lost its end: whoever has been told more says so before it is too late."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.metadata_records import RegisterBrokerRecord
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.history import History
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.metadata.active import ControllerRuntime
from odradek_broker.metadata.client import JournalOver
from odradek_broker.metadata.forwarding import answer_follow
from odradek_broker.metadata.messages import FollowMetadataRequest
from tests.apis.small_broker import MemoryJournal, SmallBroker

LONG_AGO, BEFORE, NOW = 1, 2, 3
"""Epochs."""


async def torn_journal() -> MemoryJournal:
    """Of a cluster with brokers 1, 2 and 3, the last of which is fenced; what came behind is torn."""
    broker = await SmallBroker().start()
    others = [
        RegisterBrokerRecord(broker_id=id, broker_epoch=broker.image.offset + id - 1, fenced=fenced)
        for id, fenced in ((2, False), (3, True))
    ]
    broker.take(others)
    journal, end = broker.journal, broker.image.offset + 1
    journal.torn = "position 7"
    journal.history = History([(LONG_AGO, 0), (BEFORE, end - 1), (NOW, end)])
    return journal


async def started(journal: MemoryJournal, session_ms: int = 9000) -> ControllerRuntime:
    controller = SmallBroker(BrokerConfig(broker_session_timeout_ms=session_ms), journal).runtime
    await controller.start()
    return controller


def follow(broker_id: int, seen: tuple[int, int], cluster_id: str = "cluster") -> FollowMetadataRequest:
    return FollowMetadataRequest(
        broker_id, seen[0] + 1, 0, cluster_id=cluster_id, seen_offset=seen[0], seen_epoch=seen[1]
    )


async def create(controller: ControllerRuntime) -> None:
    request = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=1, replication_factor=1)])
    await controller.ask(request, CreateTopicsResponse, 7)


async def test_behind_a_torn_end_nothing_is_written_before_the_brokers_are_heard() -> None:
    controller = await started(await torn_journal())
    before = controller.image
    async with trio.open_nursery() as nursery:
        nursery.start_soon(create, controller)
        await wait_all_tasks_blocked(0.05)
        assert controller.image is before
        answer = await answer_follow(controller, follow(2, (before.offset, BEFORE)))
        assert (answer.error_code, answer.last_offset, answer.epoch) == (ErrorCode.NONE, before.offset, BEFORE)
    assert "t" in controller.image.topics


async def test_brokers_that_are_not_heard_hold_nothing_up_for_long() -> None:
    controller = await started(await torn_journal(), session_ms=500)
    with trio.fail_after(10):
        await create(controller)
    assert "t" in controller.image.topics


@pytest.mark.parametrize(("ahead", "epoch"), [(1, BEFORE), (0, NOW), (0, LONG_AGO), (20, NOW)])
async def test_a_broker_that_knows_of_another_record_ends_the_controller(ahead: int, epoch: int) -> None:
    controller = await started(await torn_journal())
    end, before = controller.image.offset, controller.image
    answer = await answer_follow(controller, follow(2, (end + ahead, epoch)))
    assert answer.error_code == ErrorCode.NOT_CONTROLLER
    assert not controller.may_decide()
    with pytest.raises(JournalOver):
        await create(controller)
    assert controller.image is before
    damaged = pytest.RaisesExc(JournalDamaged, match=f"knows of offset {end + ahead}, epoch {epoch}")
    with trio.fail_after(5), pytest.RaisesGroup(damaged):
        await controller.run()


async def test_a_broker_of_another_cluster_or_one_that_knows_nothing_says_nothing() -> None:
    controller = await started(await torn_journal())
    for each in (follow(2, (99, NOW), "another"), follow(2, (-1, -1)), follow(2, (0, LONG_AGO))):
        assert (await answer_follow(controller, each)).error_code == ErrorCode.NONE
    assert controller.may_decide()
