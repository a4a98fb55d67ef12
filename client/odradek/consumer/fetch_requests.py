"""Fetch requests planned and their answers taken in. No I/O.

No fetch sessions: each request names all its partitions. One request is under way for each broker and partition, and a
partition is asked for again only when little of it is left in the buffer.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Sequence

from msgspec import Struct

from odradek.cluster.metadata import NO_LEADER, ClusterImage
from odradek.consumer.aborted import AbortedTransactions
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.partition import PartitionState, corrupt
from odradek.errors import broker_error
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from odradek.protocol.schema import ZERO_UUID

logger = logging.getLogger(__name__)

NO_EPOCH = -1

LAST_VERSION_BY_NAME = 12
"""From v13 on, topics go by their id (KIP-516)."""

STALE_METADATA = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INCONSISTENT_TOPIC_ID,
        ErrorCode.REPLICA_NOT_AVAILABLE,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.OFFSET_NOT_AVAILABLE,
    }
)


class Asked(Struct, frozen=True):
    """One partition of a request, and what it was when it was asked for."""

    state: PartitionState
    offset: int
    version: int
    source: int
    """Which broker."""
    leader_epoch: int
    """In which epoch it was thought to lead, or to follow: another broker's epoch would make it answer for that one."""

    @property
    def is_current(self) -> bool:
        return self.state.version == self.version and self.state.fetch_offset == self.offset


class FetchPlan(Struct, frozen=True):
    """One request to one broker."""

    asked: list[Asked]
    max_bytes: int


class Fetches:
    """Decides what to fetch, and puts answers where they belong."""

    def __init__(self, config: ConsumerConfig, image: ClusterImage) -> None:
        self._config = config
        self._image = image

    def plan(self, states: Iterable[PartitionState], busy: Container[int], now_s: float) -> dict[int, FetchPlan]:
        """For each broker that is not busy, what to ask of it now."""
        room = self._config.prefetch_bytes
        by_source: dict[int, list[Asked]] = {}
        for state in states:
            room -= state.buffered_bytes
            if self._wants(state, now_s):
                source = self._source(state, now_s)
                if source >= 0 and source not in busy:
                    known = self._image.partition(*state.topic_partition)
                    epoch = NO_EPOCH if known is None else known.leader_epoch
                    asked = Asked(state, state.fetch_offset, state.version, source, epoch)
                    by_source.setdefault(source, []).append(asked)
        if room <= 0:
            return {}
        max_bytes = max(1, min(self._config.fetch_max_bytes, room))
        return {source: FetchPlan(asked, max_bytes) for source, asked in by_source.items()}

    def _source(self, state: PartitionState, now_s: float) -> int:
        """The leader, or whom it has named; it is asked again from time to time, as others may be nearer by then."""
        if state.nearer is not None and now_s < state.nearer_until and state.nearer in self._image.brokers:
            return state.nearer
        return self._image.leader(*state.topic_partition)

    def has_moved(self, plan: FetchPlan, now_s: float) -> bool:
        """Whether a partition that was asked for has to be asked for elsewhere by now."""
        sources = ((each.source, self._source(each.state, now_s)) for each in plan.asked if each.is_current)
        return any(now not in (asked, NO_LEADER) for asked, now in sources)

    def next_retry_at(self, states: Iterable[PartitionState], now_s: float) -> float:
        """When a partition may be asked for again that is put off; infinity if none is."""
        return min((state.not_before for state in states if state.not_before > now_s), default=float("inf"))

    def leaderless(self, states: Iterable[PartitionState]) -> list[PartitionState]:
        return [state for state in states if self._image.leader(*state.topic_partition) < 0]

    def _wants(self, state: PartitionState, now_s: float) -> bool:
        return (
            state.position is not None
            and not (state.paused or state.held or state.is_fetching)
            and (state.error is None or state.may_pass)
            and state.buffered_bytes < self._config.max_partition_fetch_bytes
            and state.not_before <= now_s
        )

    def request(self, plan: FetchPlan) -> tuple[FetchRequest, int | None]:
        """The request, and the highest version that it can be sent in."""
        topics: dict[str, list[FetchPartition]] = {}
        all_ids_known = True
        for asked in plan.asked:
            topic, index = asked.state.topic_partition
            topics.setdefault(topic, []).append(
                FetchPartition(
                    partition=index,
                    current_leader_epoch=asked.leader_epoch,
                    fetch_offset=asked.offset,
                    last_fetched_epoch=asked.state.fetched_epoch,
                    partition_max_bytes=self._config.max_partition_fetch_bytes,
                )
            )
        entries = []
        for topic, partitions in topics.items():
            topic_id = self._topic_id(topic)
            all_ids_known = all_ids_known and topic_id != ZERO_UUID
            entries.append(FetchTopic(topic=topic, topic_id=topic_id, partitions=partitions))
        request = FetchRequest(
            max_wait_ms=self._config.fetch_max_wait_ms,
            min_bytes=self._config.fetch_min_bytes,
            max_bytes=plan.max_bytes,
            isolation_level=int(self._config.reads_committed),
            topics=entries,
            rack_id=self._config.client_rack,
        )
        return request, None if all_ids_known else LAST_VERSION_BY_NAME

    def take(self, plan: FetchPlan, answer: FetchResponse, retry_at: float, *, early: bool = False) -> bool:
        """Take an answer in. Whether fresh metadata is needed.

        `early`: it has come before the time for which a broker waits for records. Where it leads nowhere all the same,
        nothing is asked again before `retry_at`.
        """
        if answer.error_code:
            for asked in plan.asked:
                self._put_off(asked, retry_at)
            return True
        found: dict[tuple[str, int], PartitionData] = {}
        for topic in answer.responses:
            name = topic.topic or self._image.topic_name(topic.topic_id) or ""
            for data in topic.partitions:
                found[name, data.partition_index] = data
        needs_metadata = False
        for asked in plan.asked:
            one = found.get(asked.state.topic_partition)
            if one is None:
                self._put_off(asked, retry_at)
                needs_metadata = True
            elif asked.is_current:
                needs_metadata |= self._take_partition(asked, one, retry_at)
        if early and all(
            asked.is_current and self._source(asked.state, retry_at) == asked.source for asked in plan.asked
        ):
            for asked in plan.asked:
                self._put_off(asked, retry_at)
        return needs_metadata

    def _take_partition(self, asked: Asked, data: PartitionData, retry_at: float) -> bool:
        state = asked.state
        code = data.error_code
        if code == ErrorCode.NONE:
            if state.may_pass:
                state.error, state.may_pass = None, False
            state.high_watermark = data.high_watermark
            state.last_stable_offset = data.last_stable_offset
            state.log_start_offset = data.log_start_offset
            if data.preferred_read_replica >= 0:
                self._sent_nearer(asked, data.preferred_read_replica, retry_at)
            elif data.diverging_epoch.end_offset >= 0:
                state.not_before = retry_at
                self._truncated(state, data.diverging_epoch.end_offset, data.diverging_epoch.epoch)
            elif data.records is not None and len(data.records):
                assert isinstance(data.records, memoryview)
                reads_committed = self._config.reads_committed
                aborted = AbortedTransactions(data.aborted_transactions) if reads_committed else None
                state.take(asked.offset, data.records, aborted)
            return False
        if state.nearer == asked.source:
            state.nearer = None  # it may be behind; what it refuses is for the leader to say
            state.not_before = retry_at
            return code in STALE_METADATA
        if code == ErrorCode.OFFSET_OUT_OF_RANGE:
            state.not_before = retry_at  # the way out may not be open yet; asked at once, the broker says the same
            self._out_of_range(state, asked.offset)
            return False
        if code in STALE_METADATA:
            self._put_off(asked, retry_at)
            return True
        if code == ErrorCode.CORRUPT_MESSAGE:
            self._put_off(asked, retry_at)
            self._cannot_be_read(state, asked.offset)
            return False
        error = broker_error(code, f"fetching {state.topic_partition} at offset {asked.offset}")
        if error.retriable:
            self._put_off(asked, retry_at)
        else:
            state.error, state.may_pass = error, False
        return False

    def _cannot_be_read(self, state: PartitionState, offset: int) -> None:
        """The broker's log is damaged there, and no other broker has it whole, or it would have been sent to that one.

        Whoever reads is told, as by Java's consumer; should the log be mended, the same fetch brings its records.
        """
        if state.is_drained:
            state.error = corrupt(state.topic_partition, offset, "the broker cannot read it, its log is damaged there")
            state.may_pass = True

    def _sent_nearer(self, asked: Asked, replica: int, retry_at: float) -> None:
        """Asked there at once; but who is sent there by another than the leader, or is there already, waits."""
        state = asked.state
        if state.nearer is not None or replica == asked.source or replica not in self._image.brokers:
            state.not_before = retry_at
        state.nearer, state.nearer_until = replica, retry_at + self._config.metadata_max_age_ms / 1000

    def _out_of_range(self, state: PartitionState, offset: int) -> None:
        if not state.is_drained:
            return  # what is here comes first; then the same fetch says so again
        if self._config.start == "none":
            state.error = broker_error(ErrorCode.OFFSET_OUT_OF_RANGE, f"{state.topic_partition} at offset {offset}")
        else:
            logger.warning(
                "%s: offset %d is out of range, going to the %s", state.topic_partition, offset, self._config.start
            )
            state.forget_position(reset_timestamp(self._config.start))

    def _truncated(self, state: PartitionState, end_offset: int, epoch: int) -> None:
        """The leader's log has parted from what we read: an unclean election has lost records (KIP-320)."""
        if not state.is_drained:
            return
        detail = (
            f"{state.topic_partition}: the log was cut back to offset {end_offset}, after {state.fetch_offset} was read"
        )
        if self._config.start == "none":
            state.error = broker_error(ErrorCode.OFFSET_OUT_OF_RANGE, detail)
        else:
            logger.warning("%s", detail)
            state.seek(end_offset, epoch)

    def _put_off(self, asked: Asked, retry_at: float) -> None:
        if asked.is_current:
            asked.state.not_before = retry_at

    def _topic_id(self, topic: str) -> bytes:
        known = self._image.topics.get(topic)
        return ZERO_UUID if known is None else known.topic_id


EARLIEST, LATEST = -2, -1


def reset_timestamp(start: str) -> int:
    """What to ask ListOffsets for."""
    return EARLIEST if start == "earliest" else LATEST


def still_fetching(asked: Sequence[Asked], is_fetching: bool) -> None:
    """Note on the partitions of a request that it is under way, or over."""
    for one in asked:
        if one.state.version == one.version:
            one.state.is_fetching = is_fetching
