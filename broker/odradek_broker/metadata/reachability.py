"""Which brokers can be reached, as this one has seen it: what the metadata does not know yet, or no longer.

Clients ask for metadata within milliseconds of a leader's death, before anybody can have been elected. A client that is
told the dead leader once more believes in it for a second or more (librdkafka); one that is told of no leader of any
partition of a topic fails what is written to it (franz-go). So for that moment whoever asks waits for the next leader
(apis/api_03_metadata.py, apis/api_10_find_coordinator.py). A broker that has just been fenced stays in the list
of brokers for a while: librdkafka (2.16) loses a second if it has to forget it while it moves partitions away from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek_broker.controller.image import MetadataImage

if TYPE_CHECKING:
    from odradek_broker.ports.clock import Clock

SUSPICION_MS = 1_000
"""No longer: it may be only us who cannot reach the leader."""
REMEMBERED_MS = 5_000


class Reachability:
    """One broker's view of the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost_ms: dict[int, int] = {}
        self._fenced_ms: dict[int, int] = {}

    def asked_anew(self, broker_id: int) -> None:
        """Nobody has asked it for a while: what was seen of it before says nothing about its next death."""
        self._lost_ms.pop(broker_id, None)

    def lost(self, broker_id: int) -> None:
        """A connection to it has ended, or cannot be made. The first time counts, for as long as it is not reached."""
        self._lost_ms.setdefault(broker_id, self._clock.monotonic_ms())

    def reached(self, broker_id: int) -> None:
        """It has answered."""
        if self._lost_ms:
            self._lost_ms.pop(broker_id, None)

    def take(self, old: MetadataImage, new: MetadataImage) -> None:
        """The metadata has changed."""
        for broker in new.brokers.values():
            before = old.brokers.get(broker.broker_id)
            if not broker.fenced:
                self._fenced_ms.pop(broker.broker_id, None)
            elif before is not None and not before.fenced:
                self._fenced_ms[broker.broker_id] = self._clock.monotonic_ms()

    def suspects(self, image: MetadataImage) -> set[int]:
        """Who has most likely just died, and still leads what it led: who is fenced leads nothing."""
        brokers = image.brokers
        return {
            each for each in self._lost_ms if each in brokers and not brokers[each].fenced and self.is_suspect(each)
        }

    def is_suspect(self, broker_id: int) -> bool:
        """Whether it has most likely just died."""
        lost_ms = self._lost_ms.get(broker_id)
        return lost_ms is not None and self._clock.monotonic_ms() - lost_ms < SUSPICION_MS

    def is_remembered(self, broker_id: int) -> bool:
        """Whether it was still there a moment ago."""
        fenced_ms = self._fenced_ms.get(broker_id)
        return fenced_ms is not None and self._clock.monotonic_ms() - fenced_ms < REMEMBERED_MS
