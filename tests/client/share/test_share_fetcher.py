"""Fetching for a share consumer, from brokers in memory: one that hangs keeps nothing that another leads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_acknowledge import ShareAcknowledgeRequest, ShareAcknowledgeResponse
from odradek.protocol.messages.share_fetch import (
    AcquiredRecords,
    PartitionData,
    ShareFetchableTopicResponse,
    ShareFetchRequest,
    ShareFetchResponse,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record as RecordToSend
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.share.arrivals import Arrived
from odradek.share.config import ShareConsumerConfig
from odradek.share.fetcher import Held, ShareFetcher, Source
from odradek.share.verdicts import Verdict
from odradek.wakeup import Changes

PARTITION = (b"t" * 16, 0)
REQUEST_TIMEOUT_S = 30
BATCH = memoryview(build_batch([RecordToSend(timestamp=1, value=b"v")]))


class HungLeader:
    """A cluster whose broker 1 leads and never answers. Who asks is told that broker 2 leads, if it has become so."""

    request_timeout_s, backoff_s = REQUEST_TIMEOUT_S, 0.1

    def __init__(self, *, has_moved: bool) -> None:
        self.has_moved = has_moved
        self.changed = Changes()
        self.leader, self.leader_epoch = 1, 5
        self.asked: list[tuple[int, float]] = []
        self.given_up: list[tuple[int, float]] = []
        self.questions = 0
        self.image = SimpleNamespace(
            topic_name=lambda _: "t",
            leader=lambda _topic, _index: self.leader,
            leader_epoch=lambda _topic, _index: self.leader_epoch,
            take_brokers=list,
        )

    def wish_refresh(self) -> None:
        self.questions += 1
        if self.has_moved:
            self.leader, self.leader_epoch = 2, 6
        self.changed.announce()

    async def request(self, node_id: int, request: Any, kind: Any, *, purpose: str, timeout_s: float) -> Any:
        self.asked.append((node_id, trio.current_time()))
        try:
            await trio.sleep(timeout_s if node_id == 1 else 0.5)
        except trio.Cancelled:
            self.given_up.append((node_id, trio.current_time()))
            raise
        return ShareFetchResponse()


class OrderlyLeader(HungLeader):
    """Answers one request after the other: a fetch after half a second, what is said of records after `stores_s`."""

    def __init__(self) -> None:
        super().__init__(has_moved=False)
        self.stores_s = 0.1
        self.turn = trio.Lock()
        self.stored: list[int] = []
        self.gives: list[PartitionData] = []

    async def request(self, node_id: int, request: Any, kind: Any, *, purpose: str, timeout_s: float) -> Any:
        async with self.turn:
            if isinstance(request, ShareFetchRequest):
                await trio.sleep(0.5)
                given = [ShareFetchableTopicResponse(PARTITION[0], self.gives)]
                return ShareFetchResponse(acquisition_lock_timeout_ms=30_000, responses=given)
            await trio.sleep(self.stores_s)
            self.stored += kinds_in(request)
            return ShareAcknowledgeResponse(acquisition_lock_timeout_ms=30_000)


def kinds_in(request: ShareAcknowledgeRequest) -> list[int]:
    batches = [each for topic in request.topics for p in topic.partitions for each in p.acknowledgement_batches]
    return [each.acknowledge_types[0] for each in batches]


async def with_two_records(cluster: Any, membership: Any, nursery: trio.Nursery) -> tuple[ShareFetcher, list[Held]]:
    """Offsets 0 and 1 are in hand, and more is waited for."""
    fetcher = ShareFetcher(cluster, ShareConsumerConfig(), "g", membership)
    fetcher.is_awaited = True
    nursery.start_soon(fetcher.run)
    await trio.sleep(0.1)
    source: Source = fetcher._sources[1]
    records: list[Record[Any, Any]] = [Record("t", 0, offset, 0, b"", b"") for offset in (0, 1)]
    return fetcher, [Held(PARTITION, Arrived(each, 1), source, source.session_number, 5, 1e9) for each in records]


@pytest.fixture
def membership() -> Any:
    return SimpleNamespace(assigned=frozenset([PARTITION]), changed=Changes(), error=None, member_id="m")


async def run_for(seconds: float, cluster: Any, membership: Any) -> None:
    fetcher = ShareFetcher(cluster, ShareConsumerConfig(), "g", membership)
    fetcher.is_awaited = True
    with trio.move_on_after(seconds):
        await fetcher.run()


async def test_a_leader_that_hangs_keeps_no_share_partition_that_another_leads(
    membership: Any, autojump_clock: Any
) -> None:
    cluster, began = HungLeader(has_moved=True), trio.current_time()
    await run_for(10, cluster, membership)
    node_id, given_up_at = cluster.given_up[0]
    assert (node_id, given_up_at - began < 5) == (1, True), "so that what was said in it is known not to count"
    first = next(at for node_id, at in cluster.asked if node_id == 2)
    assert first - began < 5 < REQUEST_TIMEOUT_S


async def test_a_leader_that_is_late_and_still_leads_is_waited_for(membership: Any, autojump_clock: Any) -> None:
    cluster = HungLeader(has_moved=False)
    await run_for(20, cluster, membership)
    assert [node_id for node_id, _ in cluster.asked] == [1]
    assert 3 < cluster.questions < 10, "and not in a storm"


async def test_what_was_said_is_waited_for_though_the_group_has_given_the_partition_away(
    membership: Any, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    """Its leader may have dead letters to write first. Whoever gives up hears that it did not count, and it did."""
    cluster = OrderlyLeader()
    cluster.stores_s = 10
    fetcher, (record, _) = await with_two_records(cluster, membership, nursery)
    fetcher.is_awaited = False
    record.say(Verdict.ACCEPT)
    await trio.sleep(1)
    membership.assigned = frozenset()
    membership.changed.announce()
    await fetcher.settle()
    assert cluster.stored == [Verdict.ACCEPT]
    assert not fetcher.refused


async def test_a_renewal_beside_a_fetch_lets_no_commit_return_before_what_was_said_is_stored(
    membership: Any, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    cluster = OrderlyLeader()
    fetcher, (longer, done) = await with_two_records(cluster, membership, nursery)
    nursery.start_soon(longer.source.renew, longer)
    await trio.sleep(0.1)
    fetcher.is_awaited = False
    done.say(Verdict.ACCEPT)
    await fetcher.settle()
    assert Verdict.ACCEPT in cluster.stored


async def test_a_renewal_that_is_cancelled_keeps_no_commit_waiting(
    membership: Any, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    fetcher, (longer, _) = await with_two_records(OrderlyLeader(), membership, nursery)
    fetcher.is_awaited = False
    await trio.sleep(1)
    with trio.move_on_after(0.05) as patience:
        await longer.source.renew(longer)
    assert patience.cancelled_caught
    with trio.fail_after(5):
        await fetcher.settle()


@pytest.mark.parametrize("leader", [1, 2], ids=["which leads again", "which leads no more"])
async def test_what_a_leader_gave_is_ours_no_longer_once_another_epoch_is_known(
    leader: int, membership: Any, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    cluster = OrderlyLeader()
    fetcher, held = await with_two_records(cluster, membership, nursery)
    fetcher.put_back(held)
    (in_hand,) = fetcher.take(1)
    cluster.leader, cluster.leader_epoch = leader, 6
    assert fetcher.take(1) == [], "nobody has it for us: it goes to whoever asks the new leader"
    in_hand.say(Verdict.ACCEPT)
    assert list(fetcher.refused) == [(TopicPartition("t", 0), ErrorCode.NOT_LEADER_OR_FOLLOWER)]
    fetcher.is_awaited = False
    await fetcher.settle()
    assert cluster.stored == []


async def test_what_comes_late_from_a_former_leader_is_not_handed_out(
    membership: Any, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    cluster = OrderlyLeader()
    fetcher, _ = await with_two_records(cluster, membership, nursery)
    cluster.gives = [PartitionData(0, acquired_records=[AcquiredRecords(0, 0, 1)], records=BATCH)]
    cluster.leader_epoch = 6
    await trio.sleep(0.5)
    assert fetcher.take(1) == []
    fetcher.wake()
    await trio.sleep(0.6)
    assert [each.arrived.record.offset for each in fetcher.take(1)] == [0], "and that of the new one is"
