"""How far a consumer is behind, counted by its brokers (odradek.lag): on demand, and for whoever looks at its health.

`health` waits for nothing, so it tells what was counted last, and how long ago. To look at it makes the brokers be
asked now, and every ASK_EVERY_S as long as somebody has looked within WARM_S: who never looks costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import trio

from odradek.cluster.cluster import Cluster
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.partition import PartitionState
from odradek.errors import OdradekError
from odradek.lag import Lag, Span, count_records
from odradek.protocol.topic_partition import TopicPartition
from odradek.wakeup import Wakeup

logger = logging.getLogger(__name__)

ASK_EVERY_S = 2.0
WARM_S = 30.0


class Counted(NamedTuple):
    """What was counted of one partition, and when, by Trio's clock."""

    lag: Lag
    at: float


class Lags:
    """Of one consumer."""

    def __init__(
        self, cluster: Cluster, config: ConsumerConfig, states: Callable[[], Iterable[PartitionState]]
    ) -> None:
        self._cluster = cluster
        self._config = config
        self._states = states
        self._wakeup = Wakeup()
        self._warm_until = 0.0
        self._counted: dict[TopicPartition, tuple[PartitionState, Counted]] = {}

    async def count(self) -> dict[TopicPartition, Lag]:
        """From the position on, of all partitions whose position is known. Raises as `count_records`."""
        states = {state.topic_partition: state for state in self._states() if state.position is not None}
        found = await count_records(
            self._cluster,
            {partition: Span(state.position or 0) for partition, state in states.items()},
            read_committed=self._config.reads_committed,
            timeout_s=self._config.request_timeout_ms / 1000,
        )
        now = trio.current_time()
        self._counted = {partition: (states[partition], Counted(lag, now)) for partition, lag in found.items()}
        return found

    def of(self, state: PartitionState) -> Counted | None:
        """What is known now; None where nothing was counted since the partition was assigned, or where it is sought.

        Who has come to the end, as of the last fetch, has nothing before it, whoever was asked what.
        """
        end = state.end(self._config.reads_committed)
        if state.position is None:
            return None
        if 0 <= end <= state.position:
            return Counted(Lag(state.position, end, 0, 0, None, is_counted=True), trio.current_time())
        owner, counted = self._counted.get(state.topic_partition, (None, None))
        return counted if owner is state and counted is not None and counted.lag.is_counted else None

    def look(self) -> None:
        """Somebody wants to know."""
        self._warm_until = trio.current_time() + WARM_S
        self._wakeup.set()

    async def run(self) -> None:
        while True:
            await self._wakeup.wait()
            while trio.current_time() < self._warm_until:
                try:
                    found = await self.count()
                except OdradekError as error:
                    logger.debug("lag: %s", error)
                else:
                    if found and not any(lag.is_counted for lag in found.values()):
                        break  # the fetches say as much
                await trio.sleep(ASK_EVERY_S)
