"""The producer id of an idempotent producer, and when a partition begins to number under it."""

from __future__ import annotations

from typing import Any, cast

import trio
from trio.testing import wait_all_tasks_blocked

from odradek.activity import Activities
from odradek.cluster.cluster import Cluster
from odradek.producer.identity import Identity
from odradek.producer.queue import PartitionQueue
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.records.codecs import Codec


class SlowCluster:
    """Answers InitProducerId when told to."""

    backoff_s = 0.1

    def __init__(self) -> None:
        self.activities = Activities()
        self.may_answer = trio.Event()

    async def ask_first(self, message: Any, response: Any) -> InitProducerIdResponse:
        await self.may_answer.wait()
        return InitProducerIdResponse(producer_id=7, producer_epoch=0)


def queue_with_a_batch() -> PartitionQueue:
    queue = PartitionQueue("orders", 0, Codec.NONE, None)
    queue.needs_admission = True
    queue.begin_batch(0.0).append(None, b"v", (), 0)
    return queue


async def test_a_partition_admitted_by_two_tasks_numbers_on(nursery: trio.Nursery, autojump_clock: Any) -> None:
    """Its leader changes while the producer id is asked for: the tasks of both brokers ask, and both get it. The first
    one's batch has its numbers by then; another batch with the same ones would be taken for a copy of it."""
    cluster = SlowCluster()
    identity = Identity(cast(Cluster, cluster))
    queue = queue_with_a_batch()

    async def admit_and_number() -> None:
        await identity.admit([queue])
        if not queue.is_empty:
            queue.sequences.number(queue.drain())

    nursery.start_soon(admit_and_number)
    nursery.start_soon(admit_and_number)
    await wait_all_tasks_blocked()
    cluster.may_answer.set()
    await wait_all_tasks_blocked()
    assert not queue.needs_admission
    assert queue.sequences.next_sequence == 1
