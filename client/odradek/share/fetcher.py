"""Fetches for a share consumer, and tells brokers what became of records: one task for each broker that leads some.

Records are fetched only when the program waits for some: from when they are sent they are in nobody else's hands. What
is said of records rides on the next fetch; while the program is busy it is sent by itself, LINGER_SECONDS after it was
said, so that locks do not run out over records that are dealt with.

Invariants
    One request of a session is under way at a time.
    What was fetched in a session that is lost is handed out no more: the broker has given it to others. Nor
    is what the leader of an earlier epoch gave: who has which records is nowhere stored, the next leader knows nothing.
    A broker that hangs keeps nothing that others lead by now: a request that has been under way for longer than it may
    is reason to look who leads, and is given up where that broker leads nothing of ours any more.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import trio
from msgspec import Struct

from odradek.cluster.cluster import Cluster
from odradek.cluster.metadata import BrokerAddress
from odradek.errors import BrokerError, CorruptRecords, OdradekError, broker_error
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_acknowledge import ShareAcknowledgeResponse
from odradek.protocol.messages.share_fetch import PartitionData, ShareFetchResponse
from odradek.protocol.topic_partition import TopicPartition
from odradek.share.arrivals import Arrived, arrivals_of
from odradek.share.config import ShareConsumerConfig
from odradek.share.membership import ShareMembership
from odradek.share.session import ShareSession
from odradek.share.verdicts import PartitionId, Run, Verdict, Verdicts
from odradek.wakeup import Changes, Wakeup

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.1
OVERDUE_SECONDS = 3.0
"""How long an answer is waited for, beyond the time for which the broker waits, before it is asked who leads."""
PURPOSE = "share"
REFUSED_REMEMBERED = 100
"""For a program that never asks; each has its line in the log."""

SESSION_IS_LOST = {
    ErrorCode.SHARE_SESSION_NOT_FOUND,
    ErrorCode.INVALID_SHARE_SESSION_EPOCH,
    ErrorCode.SHARE_SESSION_LIMIT_REACHED,
}


class Held(Struct):
    """A record that is ours for a while."""

    partition: PartitionId
    arrived: Arrived
    source: Source
    session_number: int
    leader_epoch: int
    """In which it was asked for."""
    until_s: float
    """On Trio's clock: then it may be another's."""

    @property
    def is_ours(self) -> bool:
        return self.source.lost_by(self) is None and trio.current_time() < self.until_s

    def say(self, verdict: Verdict) -> None:
        self.source.say(self, verdict)


class ShareFetcher:
    """All sources of one consumer."""

    def __init__(self, cluster: Cluster, config: ShareConsumerConfig, group: str, membership: ShareMembership) -> None:
        self.cluster = cluster
        self.config = config
        self.group = group
        self.membership = membership
        self.arrived: deque[Held] = deque()
        self.changed = Changes()
        """Announced when something has arrived, was settled, or went wrong."""
        self.error: OdradekError | None = None
        self.refused: deque[tuple[TopicPartition | None, ErrorCode]] = deque(maxlen=REFUSED_REMEMBERED)
        """Verdicts that did not count, since somebody has asked."""
        self.is_awaited = False
        """The program waits for records."""
        self.is_settling = False
        """The program waits until everything it has said is stored."""
        self._sources: dict[int, Source] = {}
        self._news = Wakeup()
        """Of leaders, or of what is ours."""

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, self.cluster.changed)
            nursery.start_soon(self._follow, self.membership.changed)
            while True:
                for node_id in self._leaders() - self._sources.keys():
                    self._sources[node_id] = Source(node_id, self)
                    nursery.start_soon(self._sources[node_id].run)
                self.wake()
                await self._news.wait(self._next_overdue_at())

    async def _follow(self, changes: Changes) -> None:
        while True:
            await changes.wait()
            self.error = self.error or self.membership.error
            if self.error is not None:
                self.changed.announce()
            self._news.set()

    def _next_overdue_at(self) -> float:
        """When to ask who leads; where that is now, it is asked."""
        now = trio.current_time()
        for source in self._sources.values():
            if source.overdue_at <= now:
                self.cluster.wish_refresh()
                source.overdue_at = now + OVERDUE_SECONDS
                source.is_overdue = True
            if source.is_overdue and not source.leads_what_is_asked:
                source.give_up()
        return min((source.overdue_at for source in self._sources.values()), default=math.inf)

    def look_after(self) -> None:
        """A request is under way from now on."""
        self._news.set()

    def _leaders(self) -> set[int]:
        return {leader for each in self.membership.assigned if (leader := self.leader(each)) >= 0}

    def leader(self, partition: PartitionId) -> int:
        name = self.cluster.image.topic_name(partition[0])
        return -1 if name is None else self.cluster.image.leader(name, partition[1])

    def leader_epoch(self, partition: PartitionId) -> int:
        name = self.cluster.image.topic_name(partition[0])
        return -1 if name is None else self.cluster.image.leader_epoch(name, partition[1])

    def wake(self) -> None:
        for source in self._sources.values():
            source.wakeup.set()

    def name(self, partition: PartitionId) -> TopicPartition | None:
        topic = self.cluster.image.topic_name(partition[0])
        return None if topic is None else TopicPartition(topic, partition[1])

    def put_back(self, held: Iterable[Held]) -> None:
        """These are handed out first the next time."""
        self.arrived.extendleft(reversed(list(held)))

    def take(self, at_most: int) -> list[Held]:
        """What has arrived and is still ours."""
        taken: list[Held] = []
        while self.arrived and len(taken) < at_most:
            held = self.arrived.popleft()
            if held.is_ours:
                taken.append(held)
        return taken

    def refuse(self, partitions: Iterable[PartitionId], code: ErrorCode) -> None:
        for partition in partitions:
            where = self.name(partition)
            logger.warning("what was said of records of %s did not count, they may come again: %s", where, code.name)
            self.refused.append((where, code))

    @property
    def is_settled(self) -> bool:
        """All that was said is stored, or was refused."""
        return not any(source.is_unsettled for source in self._sources.values())

    async def settle(self) -> None:
        """Return when all that was said is stored, or was refused. Raises what is final."""
        self.is_settling = True
        try:
            self.wake()
            while self.error is None and not self.is_settled:
                await self.changed.wait()
        finally:
            self.is_settling = False
        if self.error is not None:
            raise self.error

    async def end_sessions(self) -> None:
        """Say the last of it, and give back what we have."""
        async with trio.open_nursery() as nursery:
            for source in self._sources.values():
                nursery.start_soon(source.end)


class Source:
    """One broker."""

    def __init__(self, node_id: int, fetcher: ShareFetcher) -> None:
        self.node_id = node_id
        self.session_number = 0
        """Rises when a session is lost."""
        self.wakeup = Wakeup()
        self.overdue_at = math.inf
        """When the request under way is late; infinity where none is."""
        self.is_overdue = False
        self._asking = trio.CancelScope()
        self._one_at_a_time = trio.Lock()
        """Also of a renewal, which the program asks for when it will."""
        self._fetcher = fetcher
        self._session = ShareSession(fetcher.group, fetcher.membership.member_id, fetcher.config)
        self._verdicts = Verdicts()
        self._said_at = 0.0
        self._under_way: Mapping[PartitionId, Sequence[Run]] = {}
        self._epochs: Mapping[PartitionId, int] = {}
        """Of the leaders that the last fetch has asked."""

    @property
    def is_unsettled(self) -> bool:
        return bool(self._verdicts or self._under_way)

    @property
    def leads_what_is_asked(self) -> bool:
        """Whether it still leads something of what it is being told of, or was asked for. That need not be ours any
        more: what was said before the group gave a partition away counts, when its leader has stored it."""
        return any(self._fetcher.leader(each) == self.node_id for each in (*self._under_way, *self._epochs))

    def lost_by(self, held: Held) -> ErrorCode | None:
        """Why a record is not ours any longer, however long it might have been; None where it is."""
        if held.session_number != self.session_number:
            return ErrorCode.SHARE_SESSION_NOT_FOUND
        if self._fetcher.leader_epoch(held.partition) > held.leader_epoch:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return None

    def say(self, held: Held, verdict: Verdict) -> None:
        lost_by = self.lost_by(held)
        if lost_by is not None:
            self._fetcher.refuse([held.partition], lost_by)
            return
        if not self._verdicts:
            self._said_at = trio.current_time()
        self._verdicts.say(held.partition, [held.arrived.record.offset], verdict)
        self.wakeup.set()

    async def run(self) -> None:
        while self._fetcher.error is None:
            try:
                await self._turn()
            except OdradekError as error:
                self._failed(error)
                await trio.sleep(self._fetcher.cluster.backoff_s)

    async def _turn(self) -> None:
        """Do the next thing, or wait for one. Raises OdradekError."""
        wanted = [each for each in self._fetcher.membership.assigned if self._fetcher.leader(each) == self.node_id]
        due = self._said_at + LINGER_SECONDS
        if self._fetcher.is_awaited and not self._fetcher.arrived and wanted:
            await self._fetch(wanted)
        elif not self._verdicts:
            await self.wakeup.wait()
        elif self._fetcher.is_settling or trio.current_time() >= due:
            await self._acknowledge()
        else:
            await self.wakeup.wait(due)

    # ------------------------------------------------------------------------------------------------------- asking

    async def _fetch(self, wanted: list[PartitionId]) -> None:
        async with self._one_at_a_time:
            self._under_way = self._verdicts.take() if self._session.is_open else {}
            request = self._session.fetch(wanted, self._under_way)
            self._epochs = {each: self._fetcher.leader_epoch(each) for each in wanted}
            needs_rest = self._take_all(
                await self._ask(request, ShareFetchResponse, self._fetcher.config.fetch_max_wait_ms)
            )
            self._settled()
        if needs_rest:
            self._fetcher.cluster.wish_refresh()
            await trio.sleep(self._fetcher.cluster.backoff_s)

    def _take_all(self, answer: ShareFetchResponse) -> bool:
        """Whether there is something wrong that may be better soon. Raises what is final."""
        image = self._fetcher.cluster.image
        image.take_brokers(BrokerAddress(n.node_id, n.host, n.port, n.rack) for n in answer.node_endpoints)
        until_s = trio.current_time() + answer.acquisition_lock_timeout_ms / 1000
        needs_rest = False
        for topic in answer.responses:
            for data in topic.partitions:
                needs_rest |= self._take((topic.topic_id, data.partition_index), data, until_s)
        return needs_rest

    def _take(self, partition: PartitionId, data: PartitionData, until_s: float) -> bool:
        if data.acknowledge_error_code:
            self._fetcher.refuse([partition], ErrorCode.from_code(data.acknowledge_error_code))
        name = self._fetcher.name(partition)
        if data.error_code or name is None:
            error = broker_error(data.error_code or ErrorCode.UNKNOWN_TOPIC_ID, str(name))
            logger.debug("fetching of a share partition: %s", error)
            leader = data.current_leader
            if name is not None:
                self._fetcher.cluster.image.take_leader(*name, leader.leader_id, leader.leader_epoch)
            return True
        try:
            records, gaps = arrivals_of(name, data, self._fetcher.config.decompressed_max_bytes)
        except CorruptRecords as error:
            logger.error("%s; they are released, and given up once their deliveries are used up", error)
            for each in data.acquired_records:
                self._verdicts.say(partition, range(each.first_offset, each.last_offset + 1), Verdict.RELEASE)
            return False
        self._verdicts.say(partition, gaps, Verdict.GAP)
        epoch = self._epochs.get(partition, -1)
        self._fetcher.arrived += [Held(partition, each, self, self.session_number, epoch, until_s) for each in records]
        return False

    async def _acknowledge(self) -> None:
        async with self._one_at_a_time:
            self._under_way = self._verdicts.take()
            await self._say(self._under_way)
            self._settled()

    async def _say(self, runs: Mapping[PartitionId, Sequence[Run]], *, is_last: bool = False) -> None:
        request = self._session.acknowledge(runs, is_last=is_last)
        answer = await self._ask(request, ShareAcknowledgeResponse, 0)
        for topic in answer.responses:
            for data in topic.partitions:
                if data.error_code:
                    error = ErrorCode.from_code(data.error_code)
                    self._fetcher.refuse([(topic.topic_id, data.partition_index)], error)

    async def renew(self, held: Held) -> None:
        """Raises BrokerError where it is not ours any longer, ConnectionFailed, RequestTimedOut, UnsupportedVersion."""
        async with self._one_at_a_time:
            if not held.is_ours:
                raise BrokerError(ErrorCode.INVALID_RECORD_STATE, str(held.arrived.record.topic_partition))
            offset = held.arrived.record.offset
            self._under_way = {held.partition: [Run(offset, offset, Verdict.RENEW)]}
            try:
                answer = await self._ask(self._session.acknowledge(self._under_way), ShareAcknowledgeResponse, 0)
            except OdradekError as error:
                self._failed(error)
                raise
            finally:
                self._settled()
        for topic in answer.responses:
            for data in topic.partitions:
                if data.error_code:
                    raise broker_error(data.error_code, str(held.arrived.record.topic_partition))
        held.until_s = trio.current_time() + answer.acquisition_lock_timeout_ms / 1000

    async def _ask(self, request: Any, kind: type[Any], wait_ms: int) -> Any:
        """Raises OdradekError, also for what the answer says of the session."""
        cluster, wait_s = self._fetcher.cluster, wait_ms / 1000
        timeout_s = cluster.request_timeout_s + wait_s
        self.overdue_at = trio.current_time() + wait_s + OVERDUE_SECONDS
        self._fetcher.look_after()
        answer = None
        try:
            with trio.CancelScope() as self._asking:
                answer = await cluster.request(self.node_id, request, kind, purpose=PURPOSE, timeout_s=timeout_s)
        finally:
            self.overdue_at, self.is_overdue = math.inf, False
        if answer is None:
            raise broker_error(ErrorCode.NOT_LEADER_OR_FOLLOWER, f"broker {self.node_id} does not answer")
        if answer.error_code:
            raise broker_error(answer.error_code, answer.error_message)
        return answer

    def give_up(self) -> None:
        """Do not wait for the answer any longer."""
        self._asking.cancel()

    # ------------------------------------------------------------------------------------------------------ outcomes

    def _settled(self) -> None:
        self._under_way = {}
        self._fetcher.changed.announce()

    def _failed(self, error: OdradekError) -> None:
        """The session is lost with all that we had from it; what is final the program hears."""
        is_lost = isinstance(error, BrokerError) and error.code in SESSION_IS_LOST
        logger.debug("share session with broker %d: %s", self.node_id, error)
        self._session.begin_anew()
        self.session_number += 1
        lost = {*self._under_way, *self._verdicts.take()}
        self._fetcher.refuse(lost, ErrorCode.SHARE_SESSION_NOT_FOUND)
        if not is_lost:
            self._fetcher.cluster.wish_refresh()
            if not error.retriable:
                self._fetcher.error = self._fetcher.error or error
        self._settled()

    async def end(self) -> None:
        """End the session, with the last of what was said. Whoever ran it has stopped."""
        if not self._session.is_open:
            return
        try:
            await self._say(self._verdicts.take(), is_last=True)
        except OdradekError as error:
            logger.debug("ending the share session with broker %d: %s", self.node_id, error)
