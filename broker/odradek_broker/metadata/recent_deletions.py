"""Which topics have just been deleted: these are not made again because somebody asks for their metadata.

Whoever deletes a topic looks whether it is gone, and often by a request that would make it. Apache Kafka answers such a
request first and makes the topic afterwards; here a topic is made before the answer, so a moment has to pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from odradek_broker.controller.image import TopicImage

if TYPE_CHECKING:
    from odradek_broker.ports.clock import Clock

RECENT_MS = 1_000


class RecentDeletions:
    """As one broker has heard of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deleted_ms: dict[str, int] = {}

    def take(self, deleted: Iterable[TopicImage]) -> None:
        """They are gone from the metadata."""
        now_ms = self._clock.monotonic_ms()
        self._deleted_ms = {name: at_ms for name, at_ms in self._deleted_ms.items() if now_ms - at_ms < RECENT_MS}
        self._deleted_ms |= dict.fromkeys((topic.name for topic in deleted), now_ms)

    def is_recent(self, name: str) -> bool:
        deleted_ms = self._deleted_ms.get(name)
        return deleted_ms is not None and self._clock.monotonic_ms() - deleted_ms < RECENT_MS
