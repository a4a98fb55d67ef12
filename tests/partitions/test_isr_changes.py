"""What leaders propose, and what the controller's answers, late or never as they come, mean for it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    AlterPartitionResponsePartitionData,
    AlterPartitionResponseTopicData,
)
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import BrokerImage, MetadataImage, PartitionImage
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.partitions.isr_changes import BACKOFF_SECONDS, IsrChanges
from odradek_broker.replication.leader import Leadership

TOPIC_ID = b"t" * 16


class HandController:
    """Answers when a test says so."""

    broker_epoch = 7

    def __init__(self) -> None:
        self.asked: list[AlterPartitionRequest] = []
        self._send, self._receive = trio.open_memory_channel[Any](10)

    async def ask(self, request: AlterPartitionRequest, answer: Any, version: int) -> AlterPartitionResponse:
        self.asked.append(request)
        answered = await self._receive.receive()
        if isinstance(answered, Exception):
            raise answered
        assert isinstance(answered, AlterPartitionResponse)
        return answered

    def answer(self, code: ErrorCode, partition_epoch: int = 5) -> None:
        one = AlterPartitionResponsePartitionData(0, error_code=code, partition_epoch=partition_epoch)
        topic = AlterPartitionResponseTopicData(topic_id=TOPIC_ID, partitions=[one])
        self._send.send_nowait(AlterPartitionResponse(topics=[topic]))

    def fail(self) -> None:
        self._send.send_nowait(ControllerUnavailable("it has not answered"))


class LedPartition:
    """As IsrChanges sees one."""

    topic_id, index, high_watermark = TOPIC_ID, 0, 90
    log = SimpleNamespace(log_start_offset=0)

    def __init__(self) -> None:
        self.leadership = Leadership(1, image(), 0, 0)
        self.leadership.fetched(2, 72, 100, 100, 0)
        self.leadership.fetched(3, 73, 90, 100, 0)

    def advance(self) -> None:
        pass

    @property
    def committed(self) -> int:
        return self.leadership.committed(100, 1)


def image(isr: tuple[int, ...] = (1, 2), partition_epoch: int = 5) -> PartitionImage:
    return PartitionImage(replicas=(1, 2, 3), isr=isr, leader=1, leader_epoch=3, partition_epoch=partition_epoch)


Judged = Callable[[IsrChanges, HandController, LedPartition], Any]


async def judge(scenario: Judged) -> None:
    controller, partition = HandController(), LedPartition()
    brokers = {number: BrokerImage(broker_id=number, epoch=70 + number, fenced=False) for number in (1, 2, 3)}
    context = SimpleNamespace(node_id=1, config=BrokerConfig(), image=MetadataImage(brokers=brokers))
    changes = IsrChanges(context, {}, controller)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(changes.run)
        changes.maybe_expand_isr(partition)  # type: ignore[arg-type]
        await wait_all_tasks_blocked()
        assert partition.committed == 90
        await scenario(changes, controller, partition)
        nursery.cancel_scope.cancel()


async def test_a_late_refusal_does_not_settle_the_proposal_that_is_open_now(autojump_clock: trio.abc.Clock) -> None:
    async def scenario(changes: IsrChanges, controller: HandController, partition: LedPartition) -> None:
        partition.leadership.decided(image(partition_epoch=6), 1)
        changes.maybe_expand_isr(partition)  # type: ignore[arg-type]
        controller.answer(ErrorCode.INELIGIBLE_REPLICA)
        await wait_all_tasks_blocked()
        assert partition.committed == 90, "the controller may be about to take it"
        assert [each.topics[0].partitions[0].partition_epoch for each in controller.asked] == [5, 6]

    await judge(scenario)


async def test_what_nobody_has_answered_is_asked_again_and_holds_the_watermark(autojump_clock: trio.abc.Clock) -> None:
    async def scenario(changes: IsrChanges, controller: HandController, partition: LedPartition) -> None:
        controller.fail()
        await trio.sleep(2 * BACKOFF_SECONDS)
        controller.answer(ErrorCode.NOT_CONTROLLER)
        await trio.sleep(2 * BACKOFF_SECONDS)
        assert len(controller.asked) == 3 and partition.committed == 90
        controller.answer(ErrorCode.INELIGIBLE_REPLICA)
        await trio.sleep(2 * BACKOFF_SECONDS)
        assert partition.committed == 90, "the first asking may still be taken"
        asked = controller.asked[-1].topics[0].partitions[0]
        assert [each.broker_id for each in asked.new_isr_with_epochs] == [1, 2]
        controller.answer(ErrorCode.NONE, partition_epoch=6)
        partition.leadership.decided(image(partition_epoch=6), 1)
        assert partition.committed == 100

    await judge(scenario)


async def test_what_is_over_meanwhile_is_not_asked_again(autojump_clock: trio.abc.Clock) -> None:
    async def scenario(changes: IsrChanges, controller: HandController, partition: LedPartition) -> None:
        controller.fail()
        partition.leadership.decided(image(partition_epoch=6), 1)
        await trio.sleep(2 * BACKOFF_SECONDS)
        assert len(controller.asked) == 1

    await judge(scenario)


@pytest.mark.parametrize("code", [ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.FENCED_LEADER_EPOCH])
async def test_a_controller_that_knows_more_is_believed_when_the_metadata_comes(
    code: ErrorCode, autojump_clock: trio.abc.Clock
) -> None:
    async def scenario(changes: IsrChanges, controller: HandController, partition: LedPartition) -> None:
        controller.answer(code)
        await wait_all_tasks_blocked()
        assert partition.committed == 90
        partition.leadership.decided(image(partition_epoch=6), 1)
        assert partition.committed == 100

    await judge(scenario)


async def test_what_was_taken_holds_the_watermark_until_the_metadata_says_so(autojump_clock: trio.abc.Clock) -> None:
    """The answer may come first: then the image that the leader has does not know of the new replica yet."""

    async def scenario(changes: IsrChanges, controller: HandController, partition: LedPartition) -> None:
        controller.answer(ErrorCode.NONE, partition_epoch=6)
        await wait_all_tasks_blocked()
        assert partition.leadership.is_proposing and partition.committed == 90
        partition.leadership.decided(image(isr=(1, 2, 3), partition_epoch=6), 1)
        assert not partition.leadership.is_proposing and partition.committed == 90

    await judge(scenario)
