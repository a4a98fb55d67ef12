"""The loop never waits for a disk: whatever has to be on stable storage, workers bring there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from tests.server.failing_disk import FailingDisk
from tests.server.forged_batches import good_batch
from tests.server.served_broker import produce_batch, serving


class WatchedDisk(FailingDisk):
    """It notes who waits for it on the thread on which it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self._awaited: dict[str, Callable[[], None]] = {}
        self._loop = threading.get_ident()

    def before_sync(self, path: str) -> None:
        self._note(f"sync of {path}")

    def sync_file(self, path: str) -> None:
        self._note(f"sync of {path}")
        super().sync_file(path)

    def sync_dir(self, path: str) -> None:
        self._note(f"sync of {path}")
        super().sync_dir(path)
        if path in self._awaited and threading.get_ident() != self._loop:
            self._awaited[path]()

    def replace_file(self, path: str, data: Any, *, sync: bool = True) -> None:
        self._note(f"replacement of {path}")
        super().replace_file(path, data, sync=sync)

    def make_dirs(self, path: str) -> None:
        self._note(f"making of {path}")
        super().make_dirs(path)

    @contextmanager
    def directory_synced(self, path: str) -> Iterator[trio.Event]:
        """An event that is set when a worker has next synced that directory."""
        event, token = trio.Event(), trio.lowlevel.current_trio_token()
        self._awaited[path] = lambda: token.run_sync_soon(event.set)
        try:
            yield event
        finally:
            del self._awaited[path]

    def _note(self, what: str) -> None:
        if threading.get_ident() == self._loop:
            self.waits.append(what)


async def test_making_writing_committing_and_deleting_never_waits_for_the_disk_on_the_loop(tmp_path: Path) -> None:
    disk = WatchedDisk()
    async with serving(tmp_path, disk=disk) as served:
        disk.waits.clear()  # before it serves, a broker may wait
        peer = await served.connect()
        await peer.make_topic()
        log = served.broker.partitions["t", 0].log
        log.config = structs.replace(log.config, segment_bytes=1_000)
        for _ in range(20):
            assert (await peer.produce(produce_batch(good_batch(b"v" * 200)))).error_code == ErrorCode.NONE
        assert len(list(log.segments)) > 3
        found = await peer.ask(FindCoordinatorRequest("g", 0), FindCoordinatorResponse, 3)
        assert found.error_code == ErrorCode.NONE
        deletion = DeleteRecordsRequest([DeleteRecordsTopic("t", [DeleteRecordsPartition(0, -1)])], 5_000)
        await peer.ask(deletion, DeleteRecordsResponse, 2)
        assert log.delete_segments_before(log.log_start_offset, 0), "as retention does"
        gone = await peer.ask(DeleteTopicsRequest(topics=[DeleteTopicState("t")]), DeleteTopicsResponse, 6)
        assert gone.responses[0].error_code == ErrorCode.NONE
        owed = [each for each in disk.waits if each.endswith(".snapshot")]
        assert disk.waits == owed, "but for who wrote to the log, which has to be known before its records go"
        assert len(owed) <= 1


async def test_the_name_of_a_deleted_log_is_made_safe_by_a_worker(tmp_path: Path) -> None:
    async with serving(tmp_path, disk=(disk := WatchedDisk())) as served:
        peer = await served.connect()
        await peer.make_topic()
        with disk.directory_synced(str(tmp_path)) as synced:
            await peer.ask(DeleteTopicsRequest(topics=[DeleteTopicState("t")]), DeleteTopicsResponse, 6)
            with trio.fail_after(20):
                await synced.wait()
