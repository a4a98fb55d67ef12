"""The port through which metadata records become durable: an ordered record of all decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from odradek_broker.controller.image import MetadataImage

LEADER_EPOCH = 1
"""Of the one controller that writes, while there is nobody to take its place."""


class Entry(Struct, frozen=True):
    """What one append has written."""

    last_offset: int
    records: list[Struct]
    is_snapshot: bool = False
    """Whether the records stand for all up to that offset, however many those were."""


class Journal(Protocol):
    """An ordered record of all decisions. Blocking calls, one at a time."""

    def replay(self) -> Iterator[Entry]:
        """All that is durable, in order. Raises OSError, ProtocolError where a record cannot be understood."""

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        """Write records, all or none, and return the last one's offset once they are durable.

        Raises OSError, or LogFailed after an error that left open what is durable: then nothing is written any more.
        """

    @property
    def wants_snapshot(self) -> bool:
        """Whether replaying it has become long."""

    def write_snapshot(self, image: MetadataImage) -> None:
        """Put the image that all its records amount to in their place. Raises as `append` does."""

    def close(self) -> None: ...
