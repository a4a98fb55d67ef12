"""A log is cut on the loop, but what takes long before that is a worker's."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.log.offset_checkpoints import OffsetCheckpoints
from odradek_broker.log.producer_replay import ProducerReplay
from odradek_broker.partitions.checkpoints import Checkpoints, Cut
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.workers import ThreadWorkers


class Kept:
    """A partition."""

    topic_id, index, high_watermark = bytes(16), 0, 0

    def __init__(self, log: Log) -> None:
        self.log = log


async def test_a_cut_goes_through_its_segment_in_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gibibyte of small batches takes many seconds, in which a follower would lose its session."""
    log = Log.open(str(tmp_path / "t-0"), RealDisk(), LogConfig(), topic_id=bytes(16), clean=True, now_ms=0)
    for offset in range(9):
        log.append_as_follower(memoryview(build_batch([Record(timestamp=0, value=b"v")], base_offset=offset)), now_ms=0)
    partition: Any = Kept(log)
    files, context = OffsetCheckpoints(str(tmp_path), RealDisk()), SimpleNamespace()
    checkpoints = Checkpoints(context, {("t", 0): partition}, files, ThreadWorkers(1))  # type: ignore[arg-type]
    on_loop, looked, real = threading.get_ident(), list[bool](), ProducerReplay.producers_at

    def producers_at(*asked: Any) -> Any:
        looked.append(threading.get_ident() == on_loop)
        return real(*asked)

    monkeypatch.setattr(ProducerReplay, "producers_at", producers_at)
    async with checkpoints.before_cut({partition: Cut(7)}) as ahead:
        log.truncate_to(7, ahead[partition])
    assert (log.log_end_offset, looked) == (7, [False])
    log.close(clean=False)
