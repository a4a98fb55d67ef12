"""A journal on one machine's disk, for a cluster with one controller.

It is an ordinary log of Kafka's in __cluster_metadata-0, so that kafka-dump-log reads it with
--cluster-metadata-decoder. The records of one append are one batch: after a crash all of them are there, or none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.controller.frame import frame, unframe
from odradek_broker.controller.image import METADATA_TOPIC, MetadataImage
from odradek_broker.controller.journal import LEADER_EPOCH, Entry
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin, Refused
from odradek_broker.ports.disk import Disk

METADATA_TOPIC_ID = bytes(15) + b"\x01"
MAX_BATCH_BYTES = 100 * 1024 * 1024
READ_BYTES = 1024 * 1024


class FileJournal:
    """A fsynced log in a directory of its own."""

    def __init__(self, data_directory: str, disk: Disk, now_ms: int) -> None:
        self._log = Log.open(
            os.path.join(data_directory, f"{METADATA_TOPIC}-0"),
            disk,
            LogConfig(max_message_bytes=MAX_BATCH_BYTES, cleanup_policy=frozenset()),
            topic_id=METADATA_TOPIC_ID,
            clean=False,
            now_ms=now_ms,
        )
        self._log.flush()

    def replay(self) -> Iterator[Entry]:
        offset = self._log.log_start_offset
        while (found := self._log.read(offset, READ_BYTES)) is not None:
            records = decode_records(found.read())
            offset = records[-1].offset + 1
            yield Entry(offset - 1, [unframe(record.value or b"") for record in records])

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        assert records
        batch = build_batch([Record(timestamp=now_ms, value=frame(record)) for record in records])
        appended = self._log.append_as_leader(
            memoryview(batch), leader_epoch=LEADER_EPOCH, now_ms=now_ms, origin=Origin.COORDINATOR
        )
        assert not isinstance(appended, Refused), appended
        try:
            self._log.flush()
        except OSError as error:  # it is written, and nobody knows whether it stays: not even that it was refused
            raise LogFailed(f"a sync of the journal failed: {error}") from error
        return appended.last_offset

    @property
    def wants_snapshot(self) -> bool:
        return False

    def write_snapshot(self, image: MetadataImage) -> None:
        raise NotImplementedError("it is never wanted: a laptop's metadata stays short")

    def close(self) -> None:
        self._log.close(clean=True)
