"""What lies in one partition's log, or becomes of it, ends neither the broker nor its next start."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import encode_varint
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.log.log import Log
from odradek_broker.log.segment import Segment
from tests.server.forged_batches import forged
from tests.server.served_broker import Peer, fetch, produce, produce_batch, serving

COMPACTED = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0"}
SOON = {"log_cleaner_backoff_ms": "5"}
PATIENCE_SECONDS = 20
EARLIEST = -(2**63)


def keyed(value: bytes) -> bytes:
    return bytes(build_batch([Record(timestamp=1, key=b"k", value=value)]))


def before_all_time() -> bytearray:
    """The second record's time is one millisecond before the earliest there is."""
    records = b""
    for number, delta in enumerate((0, -1)):
        body = b"\0" + encode_varint(delta) + encode_varint(number) + b"\x02" + b"ab"[number : number + 1] + b"\x02v\0"
        records += encode_varint(len(body)) + body
    return forged(payload=records, base_timestamp=EARLIEST, max_timestamp=EARLIEST)


async def last_value(peer: Peer, topic: str, log: Log) -> bytes | None:
    data = await peer.fetch(fetch(log.log_end_offset - 1, topic=topic))
    assert isinstance(data.records, memoryview)
    return decode_records(data.records)[-1].value


async def compacted_up_to(log: Log, offset: int) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while log.first_dirty_offset < offset:  # noqa: ASYNC110 (nobody tells)
            await trio.sleep(0.005)


async def test_a_time_that_no_header_can_hold_is_refused_and_a_log_that_has_it_is_compacted_at_every_start(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, **SOON) as served:
        peer = await served.connect()
        await peer.make_topic(**COMPACTED)
        refused = await peer.produce(produce_batch(before_all_time()))
        assert refused.error_code == ErrorCode.INVALID_TIMESTAMP
        await peer.produce(produce_batch(keyed(b"first")))
        log = served.broker.partitions["t", 0].log
        lie = forged(before_all_time(), base_offset=1)
        log.append_as_follower(memoryview(lie), now_ms=0)  # as an older broker has taken it
    for value in (b"second", b"third"):
        async with serving(tmp_path, **SOON) as served:
            peer = await served.connect()
            log = served.broker.partitions["t", 0].log
            log.roll(0)
            assert (await peer.produce(produce_batch(keyed(value)))).error_code == ErrorCode.NONE
            await compacted_up_to(log, log.segments.active.base_offset)
            assert await last_value(peer, "t", log) == value


def spoil(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, directory: str) -> None:
    """Let something fail for the log in that directory as it would by what some data has brought out."""
    sound = getattr(owner, name)

    def spoilt(first: Any, *args: Any, **more: Any) -> Any:
        path = first if isinstance(first, str) else getattr(first, "directory", str(args[:1]))
        return struct.pack(">q", 2**63) if directory in path else sound(first, *args, **more)

    monkeypatch.setattr(owner, name, spoilt)


async def works(peer: Peer, topic: str) -> None:
    assert (await peer.produce(produce(b"v", topic=topic))).error_code == ErrorCode.NONE


async def test_a_log_whose_opening_meets_a_defect_is_set_apart_and_the_next_start_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        for topic in ("bad", "good"):
            await peer.make_topic(topic)
            await works(peer, topic)
    with monkeypatch.context() as patched:
        spoil(patched, Log, "open", "bad-0")
        async with serving(tmp_path) as served:
            peer = await served.connect()
            await works(peer, "good")
            refused = await peer.produce(produce(b"v", topic="bad"))
            assert refused.error_code != ErrorCode.NONE
    assert "bad-0 cannot be opened, and will be tried again; everything else goes on" in caplog.text
    async with serving(tmp_path) as served:
        peer = await served.connect()
        assert await peer.values("bad") == [b"v"] and len(await peer.values("good")) == 2


async def test_a_defect_in_one_partitions_compaction_is_said_and_others_are_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(monkeypatch, Segment, "sound_batch", "bad-0")
    async with serving(tmp_path, **SOON) as served:
        peer = await served.connect()
        logs = []
        for topic in ("bad", "good"):
            await peer.make_topic(topic, **COMPACTED)
            await peer.produce(produce_batch(keyed(b"old"), topic=topic))
            logs.append(served.broker.partitions[topic, 0].log)
            logs[-1].roll(0)
        await compacted_up_to(logs[1], 1)
        with trio.fail_after(PATIENCE_SECONDS):
            while "There is no compaction of bad-0 until the next start" not in caplog.text:  # noqa: ASYNC110
                await trio.sleep(0.005)
        await peer.produce(produce_batch(keyed(b"new"), topic="bad"))
        assert await last_value(peer, "bad", logs[0]) == b"new"
    assert caplog.text.count("There is no compaction of bad-0") == 1


async def test_all_that_a_broker_writes_is_its_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        async with serving(tmp_path / "data") as served:
            peer = await served.connect()
            await peer.make_topic()
            await works(peer, "t")
    finally:
        os.umask(umask)
    modes = {
        (path.is_dir(), path.stat().st_mode & 0o777) for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    }
    assert modes == {(True, 0o700), (False, 0o600)}
