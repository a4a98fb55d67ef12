"""Finds out where to go on in partitions that have no position: by the start policy, or by a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import trio

from odradek.cluster import Cluster
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.partition import PartitionState
from odradek.errors import NoOffset
from odradek.offsets import LookUp, look_up_offsets, may_pass
from odradek.wakeup import Wakeup

logger = logging.getLogger(__name__)

EARLIEST, LATEST = -2, -1
ATTEMPT_S = 5.0
"""How long one look-up may take, before those that have been moved meanwhile are sorted out."""


class Positions:
    """`on_found` is called when some partitions may be fetched."""

    def __init__(
        self,
        cluster: Cluster,
        config: ConsumerConfig,
        states: Callable[[], Iterable[PartitionState]],
        on_found: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._config = config
        self._states = states
        self._on_found = on_found
        self._wakeup = Wakeup()

    def wake(self) -> None:
        """There may be a partition without a position."""
        self._wakeup.set()

    def resume(self) -> None:
        """Partitions have been assigned: some may be fetched at once, some need a look-up."""
        self._wakeup.set()
        self._on_found()

    def begin_without_offset(self, state: PartitionState) -> None:
        """A partition that nothing is known of: go by the policy."""
        if self._config.start == "none":
            state.forget_position(None)
            state.error = NoOffset(f"{state.topic_partition}: nothing committed, and start is none")
        else:
            state.forget_position(EARLIEST if self._config.start == "earliest" else LATEST)
        self.wake()

    async def run(self) -> None:
        while True:
            lost = [s for s in self._states() if s.position is None and s.reset_to is not None and not s.held]
            if not lost:
                await self._wakeup.wait()
                continue
            with self._cluster.activities.waiting("positions", f"offsets of {len(lost)} partitions"):
                await self._find(lost)

    async def _find(self, lost: list[PartitionState]) -> None:
        asked = [(state, state.version, state.reset_to) for state in lost if state.reset_to is not None]
        timestamps = {state.topic_partition: timestamp for state, _, timestamp in asked if timestamp is not None}
        attempt: LookUp | None = None
        with trio.move_on_after(ATTEMPT_S):
            attempt = await look_up_offsets(self._cluster, timestamps, read_committed=self._config.reads_committed)
        for state, version, _ in asked:
            if attempt is not None and state.version == version:  # else it was moved meanwhile
                self._take(state, attempt)
        self._on_found()
        if attempt is None or attempt.failed:
            why = "no answer" if attempt is None else str(next(iter(attempt.failed.values())))
            self._cluster.activities.begin("positions", why)
            self._cluster.wish_refresh()
            await trio.sleep(self._cluster.backoff_s)

    def _take(self, state: PartitionState, attempt: LookUp) -> None:
        answer = attempt.found.get(state.topic_partition)
        if answer is None:
            error = attempt.failed[state.topic_partition]
            if not may_pass(error):
                state.error, state.reset_to = error, None
            return
        if answer.offset >= 0:
            state.seek(answer.offset)
        else:
            state.forget_position(LATEST)  # no record so late: go to the end
        logger.debug("%s begins at %s", state.topic_partition, state.position)
