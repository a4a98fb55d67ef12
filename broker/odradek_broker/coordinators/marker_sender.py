"""Brings markers to the partitions that are owed them, until each has its own.

One task looks at what has come to be owed, and at what has come back, and starts a round for each broker that leads any
of it: for this broker by a call, for others by WriteTxnMarkers. Where a round fails, for a partition or as a whole,
what is left comes back after RETRY_SECONDS, for whoever leads by then. What is on its way is not looked at.

Invariants
    A marker is on its way once at a time, or waits to be sent: the core names what is owed once.
    What is told to a coordinator's core is that the marker is committed where it was written, or will never be needed:
    its topic is no more, or the partition has heard of a later epoch of the producer, which is only given out after
    that transaction has ended everywhere.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from odradek_broker.controller.image import NO_LEADER
from odradek_broker.coordinators.transaction_markers import PIECES
from odradek_broker.loop.bell import Bell
from odradek_broker.loop.slices import Slices
from odradek_broker.metadata.broker_peers import BrokerPeers
from odradek_broker.metadata.peer import PeerUnreachable
from odradek_broker.partitions.commits import Commit

if TYPE_CHECKING:
    from odradek.protocol.topic_partition import TopicPartition
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.transaction_markers import TransactionMarkers
    from odradek_broker.coordinators.transaction_partition import TransactionPartition
    from odradek_broker.transactions.markers import OwedMarkers

logger = logging.getLogger(__name__)

VERSION = 2
RETRY_SECONDS = 0.1
ANSWER_SECONDS = 10.0
COMMIT_SECONDS = 5.0
"""How long a round waits for markers to be committed, so that one partition that cannot hold up others for ever."""

AFTERWARDS = {ErrorCode.NONE, ErrorCode.INVALID_PRODUCER_EPOCH}
"""The partition has the marker, or has long gone on."""


class Due(NamedTuple):
    """One marker for one partition."""

    host: TransactionPartition
    owed: OwedMarkers
    partition: TopicPartition


class MarkerSender:
    """One for a broker, for all transactional ids that it coordinates."""

    def __init__(
        self,
        context: NodeContext,
        markers: TransactionMarkers,
        hosts: Callable[[], Iterable[TransactionPartition]],
    ) -> None:
        self.owes = Bell()
        """To be set when there may be something new."""
        self._context = context
        self._markers = markers
        self._hosts = hosts
        self._back: list[Due] = []
        """To be sent again."""
        self._unfinished: list[tuple[TransactionPartition, OwedMarkers]] = []
        """They have all their markers, and the log has refused the record that says so."""
        self._peers = BrokerPeers(context, "transaction-markers")

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    with trio.move_on_after(RETRY_SECONDS if self._unfinished else math.inf):
                        await self.owes.wait()
                    for leader, due in (await self._by_leader()).items():
                        nursery.start_soon(self._round, leader, due)
        finally:
            self._peers.close()

    async def _by_leader(self) -> dict[int, list[Due]]:
        """What is to be sent, by the broker that is to have it; what needs no marker is done with."""
        new = [(host, owed) for host in list(self._hosts()) for owed in host.coordinator.take_owed()]
        unfinished, self._unfinished = self._unfinished, []
        back, self._back = self._back, []
        for host, owed in (*unfinished, *new):
            if not owed.partitions:
                self._done(host, owed, ())
        due: defaultdict[int, list[Due]] = defaultdict(list)
        slices = Slices()
        for one in (*back, *(Due(host, owed, each) for host, owed in new for each in list(owed.partitions))):
            if self._context.image.partition(*one.partition) is None:
                self._done(one.host, one.owed, [one.partition])
            else:
                due[self._leader(one.partition)].append(one)
            await slices.pay()
        return due

    def _leader(self, partition: TopicPartition) -> int:
        image = self._context.image.partition(partition.topic, partition.partition)
        return NO_LEADER if image is None else image.leader

    def _done(self, host: TransactionPartition, owed: OwedMarkers, partitions: Iterable[TopicPartition]) -> None:
        result = host.coordinator.markers_written(owed.transactional_id, owed.producer, partitions, host.now())
        host.carry_out(result)
        if result.records and host.is_loaded and host.coordinator.owes(owed.transactional_id, owed.producer):
            self._unfinished.append((host, owed))

    async def _round(self, leader: int, due: list[Due]) -> None:
        left = await (self._write_here(due) if leader == self._context.node_id else self._write_there(leader, due))
        left = [each for each in left if each.host.is_loaded]
        if left:
            await trio.sleep(RETRY_SECONDS)
            self._back += left
            self.owes.set()

    async def _write_here(self, due: list[Due]) -> list[Due]:
        slices, waits = Slices(), list[tuple[Due, Commit | ErrorCode]]()
        for one in due:
            waits.append((one, self._markers.write(*one.partition, _marker(one))))
            await slices.pay(PIECES)
        with trio.move_on_after(COMMIT_SECONDS):
            for _, wait in waits:
                if isinstance(wait, Commit):
                    await wait.wait()
        left = []
        for one, wait in waits:
            outcome = wait.outcome if isinstance(wait, Commit) else wait
            if isinstance(wait, Commit):
                wait.leave()
            if not self._settle(one, ErrorCode.REQUEST_TIMED_OUT if outcome is None else outcome):
                left.append(one)
        return left

    async def _write_there(self, leader: int, due: list[Due]) -> list[Due]:
        peer = self._peers.get(leader)
        if peer is None:
            return due
        request = WriteTxnMarkersRequest([_marker(one, with_topic=True) for one in due])
        try:
            answer = await peer.ask(request, WriteTxnMarkersResponse, VERSION, ANSWER_SECONDS)
            codes = [topic.partitions[0].error_code for each in answer.markers for topic in each.topics]
        except (PeerUnreachable, IndexError) as error:
            logger.debug("markers for broker %d: %s", leader, error)
            return due
        if len(codes) != len(due):
            return due
        return [one for one, code in zip(due, codes, strict=True) if not self._settle(one, ErrorCode.from_code(code))]

    def _settle(self, one: Due, outcome: ErrorCode) -> bool:
        """Take the outcome; False where it has to be tried again."""
        if outcome not in AFTERWARDS:
            if outcome is not ErrorCode.NOT_LEADER_OR_FOLLOWER:
                logger.warning(
                    "the marker of %r for %s-%d: %s", one.owed.transactional_id, *one.partition, outcome.name
                )
            return False
        self._done(one.host, one.owed, [one.partition])
        if self._unfinished:
            self.owes.set()
        return True


def _marker(due: Due, *, with_topic: bool = False) -> WritableTxnMarker:
    owed, (topic, index) = due.owed, due.partition
    return WritableTxnMarker(
        producer_id=owed.producer.producer_id,
        producer_epoch=owed.producer.epoch,
        transaction_result=owed.commit,
        topics=[WritableTxnMarkerTopic(topic, [index])] if with_topic else (),
        coordinator_epoch=due.host.leader_epoch,
        transaction_version=owed.transaction_version,
    )
