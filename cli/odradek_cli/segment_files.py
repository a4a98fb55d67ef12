"""Segment files as they lie on the disk, whoever may be writing to them."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from odradek.protocol.records.batch import BatchHeader, iter_headers


def batches_of(path: Path) -> Iterator[tuple[int, BatchHeader, memoryview]]:
    """Position, header and bytes of each whole batch. Raises OSError, ProtocolError."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        for position, header in iter_headers(content):
            yield position, header, content[position : position + header.size_bytes]
