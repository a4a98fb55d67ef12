"""Followers: for each broker that leads partitions of which we keep replicas, one task that fetches them all.

A round: wait until all that the logs hold is on stable storage (with log.flush.policy=sync), ask for what comes after
the end of each, and append what came.

Invariant
    The offset that a leader reads in a fetch says what the follower has for good, whoever wrote it, and whenever: a
    partition is not asked for while anything of it is still on its way to the disk, be it from an earlier leader, or
    from when this broker led itself. So does the start of the log that it tells.
    A log that has a gap, since its broker has led with what it had, is mended while it is not in sync, and then it is
    asked for what comes at the gap: in sync it may be the next to lead, and what lies behind the gap is its to keep.
    A log that is not in sync, and has to be cut before records for which compaction has removed others, begins anew.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
    ReplicaState,
)
from odradek_broker.log.failures import LogFailed, OffsetOutOfRange, OffsetsOutOfOrder
from odradek_broker.log.offset_checkpoints import LOG_START_OFFSETS
from odradek_broker.loop.defects import survive
from odradek_broker.loop.troubles import Troubles
from odradek_broker.metadata.peer import Peer, PeerUnreachable
from odradek_broker.partitions.checkpoints import Cut
from odradek_broker.replication.truncation import last_epoch, truncation_offset

if TYPE_CHECKING:
    from odradek_broker.log.log import Log
    from odradek_broker.node.broker import Broker
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.ports.network import Address

logger = logging.getLogger(__name__)

Key: TypeAlias = tuple[bytes, int]
"""Topic id and index."""


class Asked(NamedTuple):
    """What a fetch says of one partition."""

    leader_epoch: int
    offset: int


FETCH_VERSION = 17
ANSWER_SECONDS = 10.0
RETRY_SECONDS = 0.05
DEFECT_SECONDS = 30
ANSWER, STARTS, CUTS = "answer", "starts", "cuts"
"""Subjects of trouble besides single partitions."""
EXPECTED = {
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.FENCED_LEADER_EPOCH,
    ErrorCode.UNKNOWN_LEADER_EPOCH,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}
"""Leader and follower learn of a new topic, or leader epoch, one after the other."""


class ReplicaFetchers:
    """All of a broker's."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._fetchers: dict[int, ReplicaFetcher] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.refresh()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # a log may still come to be open, in the hands of a worker when the broker stops

    def refresh(self) -> None:
        """The metadata has changed: leaders may be others, or elsewhere."""
        if self._nursery is None:
            return
        wanted: defaultdict[int, dict[Key, Partition]] = defaultdict(dict)
        brokers = self._broker.image.brokers
        for partition in self._broker.partitions.values():
            if partition.leadership is None and partition.leader_id in brokers and partition.log.failed is None:
                wanted[partition.leader_id][partition.topic_id, partition.index] = partition
        for leader, fetcher in list(self._fetchers.items()):
            address = self._address(leader)
            if leader not in wanted or fetcher.address != address:
                fetcher.stop()
                del self._fetchers[leader]
        for leader, partitions in wanted.items():
            if leader in self._fetchers:
                self._fetchers[leader].assign(partitions)
            elif (address := self._address(leader)) is not None:
                fetcher = self._fetchers[leader] = ReplicaFetcher(self._broker, leader, address, partitions)
                self._nursery.start_soon(fetcher.run)

    def _address(self, broker_id: int) -> Address | None:
        broker = self._broker.image.brokers.get(broker_id)
        return None if broker is None else broker.address(self._broker.config.inter_broker_listener)


class ReplicaFetcher:
    """From one leader."""

    def __init__(self, broker: Broker, leader_id: int, address: Address, partitions: dict[Key, Partition]) -> None:
        self.address = address
        self._broker = broker
        self._leader_id = leader_id
        self._peer = Peer(broker.network, address, f"replica-{broker.node_id}")
        self._partitions = partitions
        self._epochs = {key: partition.leader_epoch for key, partition in partitions.items()}
        self._rest_until: dict[Key, float] = {}
        self._troubles = Troubles(logger)
        self._has_moved_starts = False
        self._asking = trio.CancelScope()
        self._scope = trio.CancelScope()

    def assign(self, partitions: dict[Key, Partition]) -> None:
        """Fetch these from now on: a long poll that has been asked in ignorance of a new one is given up."""
        epochs = {key: partition.leader_epoch for key, partition in partitions.items()}
        if epochs != self._epochs:
            self._partitions, self._epochs = partitions, epochs
            self._rest_until.clear()
            self._asking.cancel()

    def stop(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        try:
            with self._scope:
                while True:
                    await self._round()
        finally:
            self._peer.close()

    async def _round(self) -> None:
        with trio.CancelScope() as self._asking:
            await self._wait_flushed(self._partitions.values())
        if self._asking.cancelled_caught:
            return
        asked = self._due(trio.current_time())
        if not asked:
            await self._pause(RETRY_SECONDS)
            return
        request, said = self._request(asked)
        answer: FetchResponse | None = None
        with trio.CancelScope() as self._asking:
            try:
                answer = await self._peer.ask(request, FetchResponse, FETCH_VERSION, ANSWER_SECONDS)
            except PeerUnreachable as error:
                logger.debug("fetching from broker %d: %s", self._leader_id, error)
                self._broker.reachability.lost(self._leader_id)
                await trio.sleep(RETRY_SECONDS)
        if answer is None:
            return
        self._broker.reachability.reached(self._leader_id)
        if answer.error_code:
            code = ErrorCode.from_code(answer.error_code).name
            self._troubles.tell(ANSWER, f"broker {self._leader_id} answers a fetch with {code}", logging.WARNING)
            await self._pause(self._broker.config.replica_fetch_backoff_ms / 1000)
            return
        self._troubles.over(ANSWER)
        await self._take(asked, said, answer)

    async def _pause(self, seconds: float) -> None:
        """Ends when there are others to ask for."""
        with trio.CancelScope() as self._asking:
            await trio.sleep(seconds)

    def _due(self, now: float) -> dict[Key, Partition]:
        """Not those that hold anything which is not on stable storage, or whose log has failed: a fetch would lie."""
        self._rest_until = {key: until for key, until in self._rest_until.items() if until > now}
        return {
            key: each
            for key, each in self._partitions.items()
            if key not in self._rest_until
            and each.log.failed is None
            and not self._is_behind_its_end(each)
            and not self._is_held_back(each)
        }

    def _is_behind_its_end(self, partition: Partition) -> bool:
        """Whether something that it holds is still to be flushed."""
        return self._broker.flusher.syncs and partition.log.flushed_offset < partition.log.log_end_offset

    async def _wait_flushed(self, partitions: Iterable[Partition]) -> None:
        behind = [each for each in partitions if self._is_behind_its_end(each) and each.log.failed is None]
        for partition in behind:
            self._broker.flusher.flush_soon(partition)
        for partition in behind:
            await partition.wait_flushed()

    def _is_held_back(self, partition: Partition) -> bool:
        if not partition.throttled_as_follower:
            return False
        if self._may_be_in_sync(partition):
            return False
        rate = self._broker.config.follower_replication_throttled_rate
        return self._broker.follower_throttle.is_exceeded(rate, self._broker.clock.monotonic_ms())

    def _may_be_in_sync(self, partition: Partition) -> bool:
        image = self._broker.image.partition(partition.topic, partition.index)
        return image is None or self._broker.node_id in image.isr

    def _offset_to_ask(self, partition: Partition) -> int:
        """The end of the log; but where it has a gap, and is not in sync, the beginning of that."""
        log = partition.log
        gap = log.recovery.gap_at_offset if log.recovery is not None else -1
        return log.log_end_offset if gap < 0 or self._may_be_in_sync(partition) else gap

    def _request(self, asked: dict[Key, Partition]) -> tuple[FetchRequest, dict[Key, Asked]]:
        config, topics, said = self._broker.config, defaultdict(list), dict[Key, Asked]()
        for key, partition in asked.items():
            log, offset = partition.log, self._offset_to_ask(partition)
            start_written = self._broker.checkpoints.log_start_written(partition)
            self._has_moved_starts = self._has_moved_starts or start_written < log.log_start_offset
            said[key] = Asked(partition.leader_epoch, offset)
            topics[key[0]].append(
                FetchPartition(
                    partition=partition.index,
                    current_leader_epoch=partition.leader_epoch,
                    fetch_offset=offset,
                    last_fetched_epoch=last_epoch(log.epochs, offset),
                    log_start_offset=start_written,
                    partition_max_bytes=config.replica_fetch_max_bytes,
                )
            )
        request = FetchRequest(
            replica_state=ReplicaState(self._broker.node_id, self._broker.controller.broker_epoch),
            max_wait_ms=config.replica_fetch_wait_max_ms,
            min_bytes=config.replica_fetch_min_bytes,
            max_bytes=config.replica_fetch_response_max_bytes,
            topics=[FetchTopic(topic_id=topic_id, partitions=entries) for topic_id, entries in topics.items()],
        )
        return request, said

    # ---------------------------------------------------------------------------------------------------- the answer

    async def _take(self, asked: dict[Key, Partition], said: dict[Key, Asked], answer: FetchResponse) -> None:
        grown: list[tuple[Partition, PartitionData]] = []
        cuts: dict[Partition, Cut] = {}
        begun_inside: list[tuple[Partition, PartitionData, int]] = []
        for topic in answer.responses:
            for data in topic.partitions:
                key = (topic.topic_id, data.partition_index)
                partition = asked.get(key)
                if partition is None or not self._still_follows(partition, said[key].leader_epoch):
                    continue
                start, cut = partition.log.log_start_offset, self._cut_to_make(partition, data, said[key].offset)
                if cut is not None:
                    cuts[partition] = cut
                    if cut.whole and _begins_with_batch_of(data, partition.log, cut.offset):
                        begun_inside.append((partition, data, start))
                elif self._has_taken(partition, data):
                    grown.append((partition, data))
        if cuts:
            await self._cut(cuts, said)
        for partition, data, start in begun_inside:
            follows = self._still_follows(partition, said[partition.topic_id, partition.index].leader_epoch)
            is_cut = follows and partition.log.log_end_offset == cuts[partition].offset
            if is_cut and self._has_taken(partition, data, start):
                grown.append((partition, data))
        await self._wait_flushed(partition for partition, _ in grown)
        for partition, data in grown:
            follows = self._still_follows(partition, said[partition.topic_id, partition.index].leader_epoch)
            if follows and not self._is_behind_its_end(partition):
                partition.commit_up_to(min(data.high_watermark, partition.log.log_end_offset))
        if self._has_moved_starts:
            await self._write_starts()

    async def _write_starts(self) -> None:
        """The leader waits to be told: it may have been asked to delete records (DeleteRecords)."""
        try:
            await self._broker.checkpoints.write((LOG_START_OFFSETS,))
            self._has_moved_starts = False
            self._troubles.over(STARTS)
        except OSError as error:
            self._troubles.tell(STARTS, f"cannot write down where logs begin: {error}")

    def _still_follows(self, partition: Partition, epoch: int) -> bool:
        return partition.leadership is None and partition.leader_epoch == epoch and partition.log.failed is None

    def _has_taken(self, partition: Partition, data: PartitionData, start: int = 0) -> bool:
        """Whether the log has grown. It begins at `start`, or where the leader's does, if that is later."""
        key = (partition.topic_id, partition.index)
        try:
            return self._take_one(key, partition, data, start)
        except (OSError, LogFailed, OffsetsOutOfOrder, OffsetOutOfRange) as error:
            # A leader whose disk has gone bad sends the same again and again.
            self._troubles.tell(key, f"{partition}: cannot take what its leader has sent: {error}")
            self._rest(key, self._broker.config.replica_fetch_backoff_ms / 1000)
            return False
        except Exception as defect:
            survive(defect, f"{partition} is not fetched for {DEFECT_SECONDS} s; everything else goes on")
            self._rest(key, DEFECT_SECONDS)
            return False

    def _take_one(self, key: Key, partition: Partition, data: PartitionData, start: int) -> bool:
        """Raises OSError, LogFailed, OffsetsOutOfOrder, OffsetOutOfRange."""
        log = partition.log
        if data.error_code:
            self._take_refusal(key, partition, ErrorCode.from_code(data.error_code))
            return False
        records = data.records
        if isinstance(records, memoryview) and len(records):
            log.append_as_follower(records, now_ms=self._broker.clock.now_ms())
            if partition.throttled_as_follower:
                self._broker.follower_throttle.note(len(records))
        self._troubles.over(key)
        start = max(data.log_start_offset, start)
        if start > log.log_start_offset:
            log.advance_log_start(min(start, log.log_end_offset))
            self._has_moved_starts = True
        if isinstance(records, memoryview) and len(records):
            return True
        partition.commit_up_to(min(data.high_watermark, log.log_end_offset))
        return False

    def _take_refusal(self, key: Key, partition: Partition, code: ErrorCode) -> None:
        if code in EXPECTED:
            logger.debug("%s: its leader answers %s", partition, code.name)
            self._rest(key, RETRY_SECONDS)
        else:
            self._troubles.tell(key, f"{partition}: its leader answers {code.name}", logging.WARNING)
            self._rest(key, self._broker.config.replica_fetch_backoff_ms / 1000)

    async def _cut(self, cuts: dict[Partition, Cut], said: dict[Key, Asked]) -> None:
        """Where a log parts from its leader's it is cut, once nothing on disk claims any more what goes."""
        try:
            async with self._broker.checkpoints.before_cut(cuts):
                for partition, cut in cuts.items():
                    if self._still_follows(partition, said[partition.topic_id, partition.index].leader_epoch):
                        self._cut_one(partition, cut)
            self._troubles.over(CUTS)
        except OSError as error:
            self._troubles.tell(CUTS, f"cannot take back what is written of logs that are to be cut: {error}")
            for partition in cuts:
                self._rest((partition.topic_id, partition.index), self._broker.config.replica_fetch_backoff_ms / 1000)

    def _cut_one(self, partition: Partition, cut: Cut) -> None:
        log = partition.log
        try:
            if cut.whole:
                logger.warning("%s: begins again at offset %d, as its leader has it", partition, cut.offset)
                log.truncate_fully_and_start_at(cut.offset)
                self._has_moved_starts = True
            else:
                logger.warning(
                    "%s: cutting %d records off at offset %d, which its leader does not have",
                    partition,
                    log.log_end_offset - cut.offset,
                    cut.offset,
                )
                log.truncate_to(cut.offset)
        except OSError as error:
            key = (partition.topic_id, partition.index)
            self._troubles.tell(key, f"{partition}: cannot be cut: {error}")
            self._rest(key, self._broker.config.replica_fetch_backoff_ms / 1000)
            return
        partition.truncated()
        if self._broker.flusher.syncs and log.flushed_offset < log.log_end_offset:
            self._broker.flusher.flush_soon(partition)

    def _rest(self, key: Key, seconds: float) -> None:
        self._rest_until[key] = trio.current_time() + seconds

    def _cut_to_make(self, partition: Partition, data: PartitionData, asked_offset: int) -> Cut | None:
        log, cut = partition.log, _cut_to_make(partition.log, data, asked_offset)
        if cut is None or cut.whole or not log.log_start_offset <= cut.offset < log.compacted_for:
            return cut
        return cut if self._may_be_in_sync(partition) else Cut(data.log_start_offset, whole=True)


def _cut_to_make(log: Log, data: PartitionData, asked_offset: int) -> Cut | None:
    """What has to go before more can be taken from the leader; None where nothing has to.

    A log that was asked for at a gap ends there: the leader has what is missing. An empty one that begins in the midst
    of a batch begins with that batch instead, and takes it at once: asked for again, it would be out of range.
    """
    if data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE and data.log_start_offset >= 0:
        return Cut(data.log_start_offset, whole=True)
    if data.error_code:
        return None
    diverging = data.diverging_epoch
    if diverging.end_offset >= 0:
        return Cut(truncation_offset(log.epochs, log.log_end_offset, diverging.epoch, diverging.end_offset))
    if asked_offset < log.log_end_offset:
        return Cut(asked_offset)
    base_offset = log.beginning_of(data.records) if isinstance(data.records, memoryview) else None
    return None if base_offset is None else Cut(base_offset, whole=True)


def _begins_with_batch_of(data: PartitionData, log: Log, offset: int) -> bool:
    """Whether an empty log is to begin at that offset for the sake of what was sent: it is not what was asked for
    elsewhere, as at a gap, behind which the log would then lack everything before."""
    return isinstance(data.records, memoryview) and log.beginning_of(data.records) == offset
