"""What a follower makes of an answer when something has changed while it was waiting for its disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import (
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.config.broker_config import BrokerConfig
from odradek_broker.controller.image import PartitionImage
from odradek_broker.log.config import LogConfig
from odradek_broker.log.leader_epochs import LeaderEpochs
from odradek_broker.log.log import Log
from odradek_broker.partitions.checkpoints import Cut
from odradek_broker.partitions.follower import Asked, Follower
from odradek_broker.partitions.replica_fetcher import ANSWER_SECONDS, ReplicaFetcher
from odradek_broker.partitions.replica_fetchers import ReplicaFetchers
from odradek_broker.ports.disk import RealDisk

KEY = (bytes(16), 0)
EPOCH = 3
CLOCK = SimpleNamespace(now_ms=lambda: 0)


class SmallLog:
    def __init__(self) -> None:
        self.log_start_offset = self.log_end_offset = self.flushed_offset = 0
        self.failed: str | None = None
        self.recovery = None
        self.epochs = LeaderEpochs()

    def beginning_of(self, records: memoryview) -> None:
        pass

    def append_as_follower(self, records: memoryview, *, now_ms: int) -> None:
        self.log_end_offset += len(records)


class SmallPartition:
    """Its records are bytes. `meanwhile` happens while it is flushed."""

    topic, (topic_id, index) = "t", KEY
    leadership = None
    throttled_as_follower = False

    def __init__(self, meanwhile: Callable[[SmallPartition], None]) -> None:
        self.log = SmallLog()
        self.leader_epoch = EPOCH
        self.committed: list[int] = []
        self._meanwhile = meanwhile

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"

    async def wait_flushed(self) -> None:
        await trio.lowlevel.checkpoint()
        self.log.flushed_offset = self.log.log_end_offset
        self._meanwhile(self)

    def commit_up_to(self, offset: int) -> None:
        self.committed.append(offset)


def nothing(_: SmallPartition) -> None:
    pass


def another_leads(partition: SmallPartition) -> None:
    """It has had us cut what we took, and has sent others in its place, which nobody has committed."""
    partition.leader_epoch += 1


def the_disk_fails(partition: SmallPartition) -> None:
    partition.log.flushed_offset = 0
    partition.log.failed = "sync failed"


@pytest.mark.parametrize(("meanwhile", "committed"), [(nothing, [4]), (another_leads, []), (the_disk_fails, [])])
async def test_a_high_watermark_is_believed_of_what_is_on_disk_under_the_leader_that_told_it(
    meanwhile: Callable[[SmallPartition], None], committed: list[int]
) -> None:
    flusher = SimpleNamespace(syncs=True, flush_soon=lambda _: None)
    partition: Any = SmallPartition(meanwhile)
    follower = follower_with(flusher=flusher)
    data = PartitionData(partition_index=0, high_watermark=4, log_start_offset=0, records=memoryview(b"record"))
    answer = FetchResponse(responses=[FetchableTopicResponse(topic_id=KEY[0], partitions=[data])])
    await follower.take({KEY: partition}, {KEY: Asked(EPOCH, 0)}, answer)
    assert partition.committed == committed


async def test_a_leader_that_cannot_read_its_log_is_asked_once_a_back_off_and_spoken_of_once(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it sends something again: then the same trouble is news."""
    answers: dict[str, Any] = {"error_code": ErrorCode.CORRUPT_MESSAGE}
    asked_at: list[float] = []

    async def ask(request: FetchRequest, *_: object) -> FetchResponse:
        asked_at.append(trio.current_time())
        await trio.sleep(0.01)
        data = PartitionData(partition_index=0, log_start_offset=0, **answers)
        return FetchResponse(responses=[FetchableTopicResponse(topic_id=KEY[0], partitions=[data])])

    fetcher = following(ask)

    async def fetch_for(seconds: float) -> None:
        with trio.move_on_after(seconds):
            while True:
                await fetcher._round()

    await fetch_for(5.5)
    assert len(asked_at) == 6
    assert [each.message for each in caplog.records] == ["t-0: its leader answers CORRUPT_MESSAGE"]
    answers["error_code"] = ErrorCode.NONE
    await fetch_for(1.5)
    answers["error_code"] = ErrorCode.CORRUPT_MESSAGE
    await fetch_for(1.5)
    assert len(caplog.records) == 2


async def test_a_leader_that_refuses_whole_fetches_is_asked_once_a_back_off_and_spoken_of_once(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    asked_at: list[float] = []

    async def ask(request: FetchRequest, *_: object) -> FetchResponse:
        asked_at.append(trio.current_time())
        await trio.sleep(0.01)
        return FetchResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED)

    with trio.move_on_after(5.5):
        await following(ask).run()
    assert len(asked_at) == 6
    assert [each.message for each in caplog.records] == ["broker 2 answers a fetch with CLUSTER_AUTHORIZATION_FAILED"]


def follower_with(context: Any = None, *, flusher: Any = None, checkpoints: Any = None) -> Follower:
    throttle: Any = None
    context = context or SimpleNamespace(node_id=1, clock=CLOCK)
    flusher = flusher or SimpleNamespace(syncs=False)
    return Follower(context, flusher, checkpoints, throttle)


def following(ask: Callable[..., Awaitable[FetchResponse]]) -> ReplicaFetcher:
    """A fetcher of one partition, whose log cannot be written down anywhere and whose leader answers so."""
    checkpoints = SimpleNamespace(log_start_written=lambda _: 0)
    context: Any = SimpleNamespace(
        node_id=1,
        network=None,
        clock=CLOCK,
        image=SimpleNamespace(partition=lambda *_: None),
        config=BrokerConfig(),
    )
    controller: Any = SimpleNamespace(broker_epoch=1)
    reachability: Any = SimpleNamespace(reached=lambda _: None, lost=lambda _: None)
    follower = follower_with(context, checkpoints=checkpoints)
    partition: Any = SmallPartition(nothing)
    leader = 2, ("leader", 9092)
    fetcher = ReplicaFetcher(context, controller, reachability, follower, *leader, {KEY: partition})
    fetcher._peer = SimpleNamespace(ask_patiently=ask, close=lambda: None)  # type: ignore[assignment]
    return fetcher


async def test_a_leader_that_does_not_answer_counts_as_lost_and_others_to_ask_for_do_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lost: list[float] = []

    async def silence(*_: Any) -> FetchResponse:
        await trio.sleep_forever()
        raise AssertionError

    fetcher = following(silence)
    fetcher._reachability.lost = lambda _: lost.append(trio.current_time())  # type: ignore[method-assign, assignment]
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetcher.run)
        await trio.sleep(ANSWER_SECONDS / 2)
        other: Any = SmallPartition(nothing)
        other.leader_epoch += 1
        fetcher.assign({KEY: other})
        await trio.sleep(1.6 * ANSWER_SECONDS)
        nursery.cancel_scope.cancel()
    assert lost == [began + 1.5 * ANSWER_SECONDS]


@pytest.mark.parametrize(
    ("isr", "parts_at", "cut"),
    [
        ((2,), 60, Cut(60)),
        ((2,), 59, Cut(7, whole=True)),
        ((1, 2), 59, Cut(59)),
    ],
)
def test_a_log_that_lost_records_to_others_which_its_leader_lacks_begins_anew(
    isr: tuple[int, ...], parts_at: int, cut: Cut
) -> None:
    """Compaction has removed records for some before offset 60. In sync, it may be all that is left, and is kept."""
    image = PartitionImage(replicas=(1, 2), isr=isr, leader=2)
    follower = follower_with(SimpleNamespace(node_id=1, image=SimpleNamespace(partition=lambda *_: image)))
    epochs = LeaderEpochs([(1, 0), (2, 80)])
    log = SimpleNamespace(log_start_offset=5, log_end_offset=100, compacted_for=60, epochs=epochs)
    partition: Any = SimpleNamespace(topic="t", index=0, log=log)
    data = PartitionData(log_start_offset=7, diverging_epoch=EpochEndOffset(1, parts_at))
    assert follower._cut_to_make(partition, data, 100) == cut


async def test_what_was_asked_for_at_a_gap_is_not_taken_by_a_log_that_begins_anew(tmp_path: Path) -> None:
    """Else it would lack for good what lies before, and come back in sync."""

    def records(numbers: range) -> memoryview:
        batches = [
            build_batch([Record(timestamp=0, key=b"%d" % each, value=b"")], base_offset=each) for each in numbers
        ]
        return memoryview(b"".join(map(bytes, batches)))

    @asynccontextmanager
    async def before_cut(_: Any) -> AsyncIterator[dict[Any, Any]]:
        yield {}

    async def write(_: Any) -> None:
        pass

    async def wait_idle() -> None:
        pass

    log = Log.open(
        str(tmp_path / "t-0"), RealDisk(), LogConfig(), topic_id=KEY[0], clean=True, recovery_point=0, now_ms=0
    )
    log.append_as_follower(records(range(5)), now_ms=0)
    log.append_as_follower(records(range(8, 10)), now_ms=0)
    log.compacted_for = 7
    partition: Any = SmallPartition(nothing)
    partition.log, partition.topic, partition.truncated = log, "t", lambda: None
    image = PartitionImage(replicas=(1, 2), isr=(2,), leader=2)
    context = SimpleNamespace(node_id=1, image=SimpleNamespace(partition=lambda *_: image), clock=CLOCK)
    synced: list[Any] = []
    flusher = SimpleNamespace(syncs=False, wait_idle=wait_idle, flush_soon=synced.append)
    checkpoints = SimpleNamespace(before_cut=before_cut, write=write)
    follower = follower_with(context, flusher=flusher, checkpoints=checkpoints)
    data = PartitionData(partition_index=0, high_watermark=10, log_start_offset=0, records=records(range(5, 10)))
    answer = FetchResponse(responses=[FetchableTopicResponse(topic_id=KEY[0], partitions=[data])])
    await follower.take({KEY: partition}, {KEY: Asked(EPOCH, 5)}, answer)
    assert (log.log_start_offset, log.log_end_offset) == (0, 0)
    assert synced == [partition], "or a power cut would bring back what was cut"
    log.close(clean=False)


async def test_a_log_that_is_opened_while_the_broker_stops_is_fetched_no_more() -> None:
    """A worker had it in its hands, and whoever was told of it had ended meanwhile."""
    partition: Any = SmallPartition(nothing)
    partition.leader_id = 2
    leader = SimpleNamespace(address=lambda listener: ("leader", 9092))
    context: Any = SimpleNamespace(
        node_id=1,
        network=None,
        image=SimpleNamespace(brokers={2: leader}),
        config=SimpleNamespace(inter_broker_listener="PLAINTEXT"),
    )
    partitions: Any = {}
    nobody: Any = None
    fetchers = ReplicaFetchers(context, partitions, nobody, nobody, follower_with)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetchers.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    partitions[KEY] = partition
    fetchers.refresh()
