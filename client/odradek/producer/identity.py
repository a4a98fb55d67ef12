"""The producer id of an idempotent producer: asked for once, and again only where its epochs are used up."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import trio

from odradek.cluster.cluster import Cluster
from odradek.errors import BadAnswer, OdradekError, broker_error
from odradek.producer.queue import PartitionQueue
from odradek.producer.sequences import NO_PRODUCER_ID
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

NO_TRANSACTION_TIMEOUT_MS = 0x7FFFFFFF


class Admission(Protocol):
    """What a partition's batches need before they can be numbered and sent."""

    async def admit(self, queues: Collection[PartitionQueue]) -> None:
        """Raises what is final."""


class Identity:
    """Any broker can give one out."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = trio.Lock()
        self._producer_id = NO_PRODUCER_ID
        self._epoch = -1

    async def admit(self, queues: Collection[PartitionQueue]) -> None:
        """Let them number their batches under our producer id; another one for those that have used it up."""
        for queue in queues:
            identity = await self.get(queue.sequences.used_identity)
            if queue.needs_admission:  # unless another broker's task has admitted it meanwhile
                queue.sequences.begin(*identity)
                queue.needs_admission = False

    async def get(self, used_up: int = NO_PRODUCER_ID) -> tuple[int, int]:
        """Producer id and epoch, another id than `used_up`. Tries for as long as it takes; raises what is final."""
        async with self._lock:
            if self._producer_id in (NO_PRODUCER_ID, used_up):
                with self._cluster.activities.waiting("producer id", "InitProducerId"):
                    await self._ask()
            return self._producer_id, self._epoch

    async def _ask(self) -> None:
        question = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=NO_TRANSACTION_TIMEOUT_MS)
        while True:
            try:
                answer = await self._cluster.ask_first(question, InitProducerIdResponse)
                if answer.error_code:
                    raise broker_error(answer.error_code, "InitProducerId")
                if answer.producer_id < 0 or answer.producer_epoch < 0 or answer.producer_id == self._producer_id:
                    raise BadAnswer(f"producer id {answer.producer_id}, epoch {answer.producer_epoch}")
                self._producer_id, self._epoch = answer.producer_id, answer.producer_epoch
                return
            except OdradekError as error:
                if not error.retriable:
                    raise
                self._cluster.activities.begin("producer id", str(error))
            await trio.sleep(self._cluster.backoff_s)
