"""Which brokers live: the active controller's memory of who was heard of when. Nothing of it is in the journal.

Two times, both the controller's alone to know:

    a session    whoever is silent for so long is fenced, whatever its host does
    a span       which is shorter: each heartbeat's lease is over within it. Who is silent for a span may be fenced too,
                 once its host is known to be gone (host_watch.py)

A controller that has just begun gives everybody a whole session. Times are the clock's, monotonic.

Invariants
    Nobody is silent, or over, whose lease may last: what a broker is told of the span (`lease_ms`) is over before,
    though it counts from when it sent the heartbeat by a clock that may be slow, and ours be fast.
    Of each contact it is kept by when every lease is over that it may have been given (`leased_until_ms`). A controller
    before us may have given longer ones, so that is never sooner than a session after the first that we know of it.
    What is said of one life of a broker (its epoch) never touches what is known of a later one: probes may
    come late, and so may the news that a connection has ended.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from msgspec import Struct

DRIFT_PERCENT = 5
"""How much faster or slower than time a clock may run, or be made to run. Quartz is a thousand times better."""
SPAN_MS_PER_BROKER = 7
"""With so many brokers that their heartbeats would be 500 a second, and more, a span grows with their number."""


class Contact(Struct):
    """With one broker."""

    epoch: int
    heard_ms: int
    leased_until_ms: int
    span_ms: int
    """As it was when it was heard."""
    is_lost: bool = False
    """The connection over which it was heard has ended since, or there was none yet."""


class Heartbeats:
    """Of all brokers that are registered, but for the one in the same process (it lives as long as we do)."""

    def __init__(self, session_ms: int, shortest_span_ms: int | None = None) -> None:
        """A span is a session where nothing else is said, and never longer."""
        self.session_ms = session_ms
        self._shortest_span_ms = session_ms if shortest_span_ms is None else shortest_span_ms
        self._elsewhere_until_ms = -1
        self._stood_still_until_ms = -1
        self._contacts: dict[int, Contact] = {}

    @property
    def span_ms(self) -> int:
        return min(self.session_ms, max(self._shortest_span_ms, SPAN_MS_PER_BROKER * len(self._contacts)))

    def lease_ms(self, broker_id: int, epoch: int) -> int:
        """For how long after it has sent the heartbeat that was heard a broker may lead, by its own clock."""
        contact = self._of(broker_id, epoch)
        return 0 if contact is None else shorter_than_ms(contact.span_ms)

    def heard(self, broker_id: int, epoch: int, now_ms: int) -> None:
        contact = self._contacts.get(broker_id)
        if contact is None or contact.epoch < epoch:
            contact = self._begin(broker_id, epoch, now_ms)
        if contact.epoch == epoch:
            contact.heard_ms, contact.is_lost, contact.span_ms = now_ms, False, self.span_ms
            contact.leased_until_ms = max(contact.leased_until_ms, now_ms + contact.span_ms)

    def heard_elsewhere(self, until_ms: int) -> None:
        """A controller before us may hear any broker until then, and let it know: its session is not over sooner."""
        self._elsewhere_until_ms = until_ms

    def lost(self, broker_id: int, epoch: int) -> None:
        """The connection over which it was heard has ended."""
        contact = self._of(broker_id, epoch)
        if contact is not None:
            contact.is_lost = True

    def is_lost(self, broker_id: int, epoch: int) -> bool:
        contact = self._of(broker_id, epoch)
        return contact is not None and contact.is_lost

    def forget(self, broker_id: int, epoch: int) -> None:
        """That life of the broker is over, and all before it."""
        contact = self._contacts.get(broker_id)
        if contact is not None and contact.epoch <= epoch:
            del self._contacts[broker_id]

    def watch(self, brokers: Collection[tuple[int, int]], now_ms: int) -> None:
        """Expect to hear of these (id, epoch) within a session; those that are known keep their time."""
        for broker_id, epoch in brokers:
            contact = self._contacts.get(broker_id)
            if contact is None or contact.epoch < epoch:
                self._begin(broker_id, epoch, now_ms).is_lost = True

    def restart(self, now_ms: int) -> None:
        """Everybody gets a whole session from now on."""
        for contact in self._contacts.values():
            contact.heard_ms = now_ms

    def stood_still(self, now_ms: int) -> None:
        """It is us who have heard nobody until now: what has been sent meanwhile is still to be read."""
        self._stood_still_until_ms = now_ms

    def is_silent(self, broker_id: int, epoch: int, now_ms: int) -> bool:
        """Whether it has not been heard of for a session."""
        contact = self._of(broker_id, epoch)
        if contact is None:
            return False
        return now_ms - max(contact.heard_ms, self._elsewhere_until_ms) >= self.session_ms

    def silent(self, now_ms: int) -> list[tuple[int, int]]:
        """Who (id, epoch) has not been heard of for a session."""
        known = [(broker_id, contact.epoch) for broker_id, contact in self._contacts.items()]
        return [each for each in known if self.is_silent(*each, now_ms)]

    def is_over(self, broker_id: int, epoch: int, now_ms: int) -> bool:
        """Whether it has not been heard of for a span, and no lease of it can last."""
        return now_ms >= self.over_from_ms(broker_id, epoch)

    def over_from_ms(self, broker_id: int, epoch: int) -> float:
        """From when on it is over, unless it is heard of. Never, where nobody expects to hear of it."""
        contact = self._of(broker_id, epoch)
        if contact is None:
            return math.inf
        return max(contact.leased_until_ms, max(contact.heard_ms, self._stood_still_until_ms) + contact.span_ms)

    def quiet_from_ms(self, broker_id: int, epoch: int) -> float:
        """From when on it is to be looked into, unless it is heard of: half a span before it is over."""
        contact = self._of(broker_id, epoch)
        return math.inf if contact is None else self.over_from_ms(broker_id, epoch) - contact.span_ms // 2

    def was_heard(self, broker_id: int, epoch: int, since_ms: int) -> bool:
        contact = self._of(broker_id, epoch)
        return contact is not None and contact.heard_ms >= since_ms

    def _begin(self, broker_id: int, epoch: int, now_ms: int) -> Contact:
        leased_until_ms = max(now_ms, self._elsewhere_until_ms) + self.session_ms
        contact = self._contacts[broker_id] = Contact(epoch, now_ms, leased_until_ms, self.session_ms)
        return contact

    def _of(self, broker_id: int, epoch: int) -> Contact | None:
        contact = self._contacts.get(broker_id)
        return contact if contact is not None and contact.epoch == epoch else None


def shorter_than_ms(time_ms: int) -> int:
    """What is over by another clock before that time is by ours, though one is fast and the other slow."""
    shortest_ms = time_ms - 1  # both clocks are read in whole milliseconds
    return shortest_ms * (100 - DRIFT_PERCENT) // (100 + DRIFT_PERCENT) - 1
