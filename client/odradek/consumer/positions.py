"""Finds out where to go on in partitions that have no position: by the start policy, by a time, or from the group."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.leaders import ask_leaders, may_pass
from odradek.consumer.commits import Commits, CommittedOffset
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.partition import PartitionState
from odradek.errors import NoOffset, OdradekError
from odradek.offsets import Answer, FoundOffset, offset_finder
from odradek.protocol.topic_partition import TopicPartition
from odradek.wakeup import Wakeup

logger = logging.getLogger(__name__)

EARLIEST, LATEST = -2, -1
ATTEMPT_S = 5.0
"""How long one round waits for leaders that are silent, before those that have been moved meanwhile are asked for."""


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
        self._group_wakeup = Wakeup()
        self.commits: Commits | None = None

    def wake(self) -> None:
        """There may be a partition without a position."""
        self._wakeup.set()
        self._group_wakeup.set()

    def resume(self) -> None:
        """Partitions have been assigned: some may be fetched at once, some need a look-up."""
        self.wake()
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
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_up_at_leaders)
            nursery.start_soon(self._look_up_at_group)

    async def _look_up_at_group(self) -> None:
        """A transaction that is still open may hold this up for as long as it lasts."""
        while True:
            lost = [s for s in self._states() if s.position is None and s.else_at is not None and not s.held]
            if not lost:
                await self._group_wakeup.wait()
                continue
            versions = {state: state.version for state in lost}
            assert self.commits is not None
            with self._cluster.activities.waiting("positions", f"what is committed of {len(lost)} partitions"):
                found: dict[TopicPartition, CommittedOffset | OdradekError] = {}
                try:
                    found |= await self.commits.fetch([state.topic_partition for state in lost], stable=True)
                except OdradekError as error:
                    found |= {state.topic_partition: error for state in lost}
            for state in lost:
                if state.version == versions[state]:
                    _go_on_from(state, found.get(state.topic_partition))
            self._on_found()

    async def _look_up_at_leaders(self) -> None:
        while True:
            lost = [s for s in self._states() if s.position is None and s.reset_to is not None and not s.held]
            if not lost:
                await self._wakeup.wait()
                continue
            with self._cluster.activities.waiting("positions", f"offsets of {len(lost)} partitions"):
                await self._find(lost)

    async def _find(self, lost: list[PartitionState]) -> None:
        """One round. Each partition goes on as soon as its own leader has answered, whatever becomes of the others."""
        asked = {state.topic_partition: (state, state.version) for state in lost}
        timestamps = {state.topic_partition: state.reset_to for state in lost if state.reset_to is not None}
        why = "no answer"

        def take(partition: TopicPartition, answer: Answer) -> None:
            nonlocal why
            state, version = asked[partition]
            if state.version != version:
                del asked[partition]  # moved meanwhile
            elif isinstance(answer, OdradekError) and may_pass(answer):
                why = str(answer)
            elif isinstance(answer, FoundOffset) and answer.offset < 0 and state.reset_to in (EARLIEST, LATEST):
                why = f"the end of {partition} is said to be {answer.offset}"
            else:
                del asked[partition]
                self._go_on(state, answer)

        with trio.move_on_after(ATTEMPT_S):
            ask = offset_finder(self._cluster, read_committed=self._config.reads_committed)
            await ask_leaders(self._cluster, timestamps, ask, take)
        if asked:
            self._cluster.activities.begin("positions", why)
            self._cluster.wish_refresh()
            await trio.sleep(self._cluster.backoff_s)

    def _go_on(self, state: PartitionState, answer: Answer) -> None:
        if isinstance(answer, OdradekError):
            state.error, state.reset_to = answer, None
        elif answer.offset >= 0:
            state.seek(answer.offset)
        else:
            state.forget_position(LATEST)  # no record so late: go to the end
        logger.debug("%s begins at %s", state.topic_partition, state.position)
        self._on_found()


def _go_on_from(state: PartitionState, committed: CommittedOffset | OdradekError | None) -> None:
    if isinstance(committed, OdradekError):
        state.error, state.else_at = committed, None
    elif committed is not None:
        state.seek(committed.offset, committed.leader_epoch)
        state.committed = committed.offset
    else:
        assert state.else_at is not None
        state.seek(state.else_at)
