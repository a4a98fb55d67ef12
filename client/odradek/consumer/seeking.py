"""Where a consumer reads: moving it elsewhere, and how far it is behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from odradek.consumer.base import ConsumerBase
from odradek.lag import Lag
from odradek.offsets import EARLIEST, LATEST, FoundOffset, list_offsets
from odradek.protocol.topic_partition import TopicPartition


class Seeking(ConsumerBase):
    """Positions of the partitions that are ours."""

    def position(self, partition: TopicPartition) -> int | None:
        """The offset of the record that is handed out next; None while that is being found out."""
        self._cursor.settle()
        return self._subscription.state(partition).position

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Hand out that offset next. What is in progress of the partition counts as not finished."""
        if offset < 0:
            raise ValueError(f"offset {offset}")
        state = self._subscription.state(partition)
        self._owned.drop_handed_out([state])
        state.seek(offset)
        self._fetcher.wake()

    def seek_to_committed(self, otherwise: Mapping[TopicPartition, int]) -> None:
        """Go on in these partitions where the group has committed by now; where it has committed nothing, at these
        offsets. It is asked before more is handed out, and waits for transactions that are open.

        Raises RuntimeError without a group.
        """
        if self._commits is None:
            raise RuntimeError("a consumer without a group has committed nothing")
        states = {self._subscription.state(partition): offset for partition, offset in otherwise.items()}
        self._owned.drop_handed_out(list(states))
        for state, offset in states.items():
            state.forget_position(None, else_at=offset)
        self._positions.wake()

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Of all that are assigned, where none is named."""
        self._reset(partitions, EARLIEST)

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Of all that are assigned, where none is named."""
        self._reset(partitions, LATEST)

    async def seek_to_time(self, timestamp_ms: int, *partitions: TopicPartition) -> None:
        """To the first record that is not older; to the end where there is none. Returns when that is found."""
        if timestamp_ms < 0:
            raise ValueError(f"timestamp {timestamp_ms}")
        self._reset(partitions, timestamp_ms)
        while any(state.reset_to is not None and state.error is None for state in self._states()):
            await self._changed.wait()

    def _reset(self, partitions: Collection[TopicPartition], timestamp: int) -> None:
        states = [self._subscription.state(partition) for partition in partitions or self._subscription.assigned]
        self._owned.drop_handed_out(states)
        for state in states:
            state.forget_position(timestamp)
        self._positions.wake()

    async def offsets_for_time(self, timestamps: Mapping[TopicPartition, int]) -> dict[TopicPartition, FoundOffset]:
        """For each partition the first record that is not older than its time in ms; offset -1 where there is none."""
        return await list_offsets(
            self._cluster,
            timestamps,
            read_committed=self.config.reads_committed,
            timeout_s=self.config.request_timeout_ms / 1000,
        )

    async def end_offsets(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """Where the next record will be written (or, reading committed, become visible); of all that are assigned,
        where none is named."""
        found = await self.offsets_for_time(dict.fromkeys(partitions or self._subscription.assigned, LATEST))
        return {partition: answer.offset for partition, answer in found.items()}

    async def beginning_offsets(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """Where the logs begin; of all that are assigned, where none is named."""
        found = await self.offsets_for_time(dict.fromkeys(partitions or self._subscription.assigned, EARLIEST))
        return {partition: answer.offset for partition, answer in found.items()}

    async def count_lag(self) -> dict[TopicPartition, Lag]:
        """What the program would still get, as the brokers count it now: records, bytes, and the age of the next one.

        Partitions whose position is being looked up are left out. Raises what a broker says that is final.
        """
        self._cursor.settle()
        return await self._lags.count()

    def lag(self) -> dict[TopicPartition, int | None]:
        """Offsets between the position and the end, as of the last fetch; None while it is not known."""
        self._cursor.settle()
        return {state.topic_partition: state.lag(self.config.reads_committed) for state in self._states()}
