"""When a log that was found damaged is served from again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import NO_LEADER, MetadataImage, PartitionImage, TopicImage
from odradek_broker.controller.partition_change import RECOVERED, RECOVERING
from odradek_broker.controller.replica_faults import ReplicaFaultsResponse
from odradek_broker.log.checkpoints import PartitionKey
from odradek_broker.log.offset_checkpoints import RECOVERY_POINTS, OffsetCheckpoints
from odradek_broker.partitions.replica_logs import ReplicaLogs
from odradek_broker.partitions.waiting import Waiting
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.workers import ThreadWorkers

OURS, OTHER = 1, 2
KEY, TOPIC_ID = ("t", 0), bytes(16)
LOG: Any = SimpleNamespace(log_end_offset=5)


def image(isr: tuple[int, ...], leader: int, elr: tuple[int, ...] = (), recovery: int = RECOVERED) -> MetadataImage:
    partition = PartitionImage(
        replicas=(OURS, OTHER), isr=isr, leader=leader, elr=elr, leader_recovery_state=recovery, partition_epoch=7
    )
    return MetadataImage(topics={"t": TopicImage("t", TOPIC_ID, {0: partition})})


def replica_logs(
    *,
    metadata: MetadataImage | None = None,
    directory: Any = None,
    workers: Any = None,
    controller: Any = None,
    on_opened: Callable[[PartitionKey, PartitionImage], None] = lambda key, partition: None,
    on_change: Callable[[], None] = lambda: None,
) -> ReplicaLogs:
    context: Any = SimpleNamespace(
        node_id=OURS,
        image=metadata or MetadataImage(),
        static_config=BrokerConfig(),
        clock=SimpleNamespace(now_ms=lambda: 0),
    )
    return ReplicaLogs(context, directory, workers, {}, controller, on_opened=on_opened, on_change=on_change)


@pytest.mark.parametrize(
    ("metadata", "is_served"),
    [
        (image((OURS, OTHER), OURS), False),
        (image((OURS, OTHER), OTHER), False),
        (image((OTHER,), OTHER, elr=(OURS,)), False),
        (image((OTHER,), OTHER), True),
        (image((), NO_LEADER), True),
        (image((OURS,), OURS, recovery=RECOVERING), True),
    ],
)
def test_a_damaged_log_is_served_from_once_the_metadata_says_so_whatever_else_it_says_before(
    metadata: MetadataImage, is_served: bool
) -> None:
    logs = replica_logs()
    logs._waiting[KEY] = Waiting(TOPIC_ID, LOG, is_told=True)
    assert logs.take(KEY, TOPIC_ID, metadata) is (LOG if is_served else None)
    assert (KEY in logs.waiting) is not is_served


async def test_a_recovery_point_comes_down_only_when_the_controller_knows_of_that_very_damage(tmp_path: Path) -> None:
    """Until then the next start has to find it, too."""
    checkpoints = OffsetCheckpoints(str(tmp_path), RealDisk())
    checkpoints.write(RECOVERY_POINTS, lambda _: {(TOPIC_ID, 0): 9, (TOPIC_ID, 1): 9})
    metadata = image((OURS, OTHER), OTHER)
    topic = metadata.topics["t"]
    metadata = MetadataImage(topics={"t": TopicImage("t", TOPIC_ID, dict.fromkeys(range(2), topic.partitions[0]))})

    async def ask(*_: Any) -> ReplicaFaultsResponse:
        logs._waiting["t", 1] = Waiting(TOPIC_ID, LOG, is_damaged=True, sound_up_to=5)  # found in the meantime
        return ReplicaFaultsResponse()

    workers = ThreadWorkers(1)
    logs = replica_logs(
        metadata=metadata,
        controller=SimpleNamespace(broker_epoch=1, ask=ask),
        directory=SimpleNamespace(checkpoints=checkpoints),
        workers=workers,
    )
    logs._waiting[KEY] = Waiting(TOPIC_ID, LOG, is_damaged=True, sound_up_to=5)
    await logs._tell()
    assert checkpoints.written(RECOVERY_POINTS) == {(TOPIC_ID, 0): 5, (TOPIC_ID, 1): 9}
    workers.close()


class WorkersAtOnce:
    """Each job is done after a moment."""

    async def run(self, job: Callable[[], Any]) -> Any:
        await trio.sleep(0.001)
        return job()


async def test_a_log_that_cannot_be_opened_is_tried_again_ever_more_seldom(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tried_s: list[float] = []

    def open_log(*_: Any, **__: Any) -> Any:
        tried_s.append(trio.current_time())
        raise OSError("no log can be opened here")

    def take_again(*_: object) -> None:
        logs.take(KEY, TOPIC_ID, metadata)

    metadata = image((OTHER,), OTHER)
    logs = replica_logs(
        metadata=metadata,
        controller=SimpleNamespace(broker_epoch=1),
        directory=SimpleNamespace(open_log=open_log),
        workers=WorkersAtOnce(),
        on_opened=take_again,
    )
    logs.take(KEY, TOPIC_ID, metadata)
    nursery.start_soon(logs.run)
    await trio.sleep(60)
    assert 2 < len(tried_s) < 10
    pauses_s = [later - earlier for earlier, later in pairwise(tried_s)]
    assert pauses_s == sorted(pauses_s)


def test_who_reads_partitions_looks_again_once_a_log_is_open() -> None:
    looked: list[str] = []
    logs = replica_logs(on_change=lambda: looked.append("again"))
    logs._opened(KEY, Waiting(TOPIC_ID, LOG))
    assert looked == ["again"]


def test_a_log_that_cannot_be_cut_is_closed_and_opened_again_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Half cut it is of no use, and its files would stay open beside those of the next attempt."""
    closed: list[bool] = []

    def truncate_to(offset: int) -> None:
        raise OSError(f"no cut at {offset}")

    log: Any = SimpleNamespace(log_end_offset=5, truncate_to=truncate_to, close=lambda *, clean: closed.append(clean))
    logs = replica_logs()
    metadata = image((OTHER,), OTHER)
    logs._waiting[KEY] = Waiting(TOPIC_ID, log, is_told=True, sound_up_to=3)
    for _ in range(2):
        assert logs.take(KEY, TOPIC_ID, metadata) is None
    assert closed == [False]
    assert KEY in logs.waiting
    assert logs._has_work.is_set()
    assert [each.message for each in caplog.records] == [
        "t-0 cannot be cut where it is damaged, and will be opened again: no cut at 3"
    ]
