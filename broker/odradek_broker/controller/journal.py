"""The port through which metadata records become durable: an ordered record of all decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from odradek_broker.controller.history import History
from odradek_broker.controller.image import MetadataImage


class JournalDamaged(Exception):
    """What has been decided, and told, is not there any more: nothing may be decided without it."""


class Entry(Struct, frozen=True):
    """What one append has written."""

    last_offset: int
    records: list[Struct]
    is_snapshot: bool = False
    """Whether the records stand for all up to that offset, however many those were."""


class Journal(Protocol):
    """An ordered record of all decisions. Blocking calls, one at a time, but for the writing of a snapshot."""

    def replay(self) -> Iterator[Entry]:
        """All that is durable, in order. Raises OSError, ProtocolError where a record cannot be understood."""

    @property
    def history(self) -> History:
        """Which controllers have written it, the one that has it open now among them. After `replay`."""

    @property
    def torn(self) -> str | None:
        """What of its end could not be read and was left out, in one line: a write that a crash has torn, if it was
        not acknowledged."""

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        """Write records, all or none, and return the last one's offset once they are durable.

        Raises OSError, or LogFailed after an error that left open what is durable: then nothing is written any more.
        """

    @property
    def wants_snapshot(self) -> bool:
        """Whether replaying it has become long."""

    def begin_snapshot(self, image: MetadataImage) -> Callable[[], None]:
        """Of the image that all its records amount to. What is returned writes it down: call it in any thread, while
        more is appended; then `end_snapshot`. All three raise as `append` does; after that the snapshot is over.
        """

    def end_snapshot(self) -> None:
        """The snapshot is durable: what it stands for may go."""

    def close(self) -> None: ...
