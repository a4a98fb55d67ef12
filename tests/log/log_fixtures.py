"""A log in a directory of the test's own: opened, killed and opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from odradek_broker.log.appendable import Appended
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin, Refused
from odradek_broker.ports.disk import Disk, RealDisk

TOPIC_ID = bytes(range(16))
NOW = 1_000_000

SMALL = LogConfig(segment_bytes=1_000, index_interval_bytes=100)
"""Many segments, many index entries."""


T = TypeVar("T")


def some(found: T | None) -> T:
    """What must be there."""
    assert found is not None
    return found


class LogHouse:
    """Where a log lives, and how to get at it."""

    def __init__(self, root: Path, config: LogConfig = SMALL, disk: Disk | None = None) -> None:
        self.path = root / "orders-0"
        self.config = config
        self.disk: Disk = disk or RealDisk()

    def open(self, *, clean: bool = True, recovery_point: int = 0, **more: Any) -> Log:
        return Log.open(
            str(self.path),
            self.disk,
            self.config,
            topic_id=TOPIC_ID,
            clean=clean,
            recovery_point=recovery_point,
            now_ms=more.pop("now_ms", NOW),
            **more,
        )

    def names(self, suffix: str = "") -> list[str]:
        return sorted(path.name for path in self.path.iterdir() if path.name.endswith(suffix))

    def content(self) -> bytes:
        """All batches on disk, whatever the segments."""
        return b"".join((self.path / name).read_bytes() for name in self.names(".log"))


def append(log: Log, data: bytes, *, epoch: int = 0, now_ms: int = NOW, origin: Origin = Origin.CLIENT) -> Appended:
    result = log.append_as_leader(memoryview(bytearray(data)), leader_epoch=epoch, now_ms=now_ms, origin=origin)
    assert isinstance(result, Appended), result
    return result


def refuse(log: Log, data: bytes, *, epoch: int = 0, now_ms: int = NOW, origin: Origin = Origin.CLIENT) -> Refused:
    result = log.append_as_leader(memoryview(bytearray(data)), leader_epoch=epoch, now_ms=now_ms, origin=origin)
    assert isinstance(result, Refused), result
    return result


def read_all(log: Log, offset: int | None = None, max_bytes: int = 1 << 20) -> bytes:
    """Everything from an offset on, read as a consumer would."""
    from tests.log.log_batches import headers

    found = b""
    offset = log.log_start_offset if offset is None else offset
    while (piece := log.read(offset, max_bytes)) is not None:
        data = piece.read()
        found += data
        offset = headers(data)[-1].last_offset + 1
    return found
