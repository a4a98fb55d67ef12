"""Which brokers live: the active controller's memory of who was heard of when. Nothing of it is in the journal.

Who has not been heard of for a session is to be fenced. A controller that has just begun gives everybody a whole
session. Times are the clock's, monotonic.

Invariants
    Who is silent for a session has no lease any more: what a broker is told of the session (`lease_ms`) is over before,
    though it counts from when it sent the heartbeat by a clock that may be slow, and ours be fast. Nobody else knows
    how long a session is.
    What is said of one life of a broker (its epoch) never touches what is known of a later one: probes may
    come late, and so may the news that a connection has ended.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

DRIFT_PERCENT = 5
"""How much faster or slower than time a clock may run, or be made to run. Quartz is a thousand times better."""


class Contact(Struct):
    """With one broker."""

    epoch: int
    heard_ms: int
    is_lost: bool = False
    """The connection over which it was heard has ended since, or there was none yet."""


class Heartbeats:
    """Of all brokers that are registered, but for the one in the same process (it lives as long as we do)."""

    def __init__(self, session_ms: int) -> None:
        self.session_ms = session_ms
        self._elsewhere_until_ms = -1
        self._contacts: dict[int, Contact] = {}

    @property
    def lease_ms(self) -> int:
        """For how long after it has sent a heartbeat a broker may count on not being silent, by its own clock."""
        shortest_ms = self.session_ms - 1  # both clocks are read in whole milliseconds
        return shortest_ms * (100 - DRIFT_PERCENT) // (100 + DRIFT_PERCENT) - 1

    def heard(self, broker_id: int, epoch: int, now_ms: int) -> None:
        contact = self._contacts.get(broker_id)
        if contact is None or contact.epoch < epoch:
            contact = self._contacts[broker_id] = Contact(epoch, now_ms)
        if contact.epoch == epoch:
            contact.heard_ms, contact.is_lost = now_ms, False

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
                self._contacts[broker_id] = Contact(epoch, now_ms, is_lost=True)

    def restart(self, now_ms: int) -> None:
        """Everybody gets a whole session from now on."""
        for contact in self._contacts.values():
            contact.heard_ms = now_ms

    def is_silent(self, broker_id: int, epoch: int, now_ms: int) -> bool:
        contact = self._of(broker_id, epoch)
        if contact is None:
            return False
        return now_ms - max(contact.heard_ms, self._elsewhere_until_ms) >= self.session_ms

    def silent(self, now_ms: int) -> list[tuple[int, int]]:
        """Who (id, epoch) has not been heard of for a session."""
        known = [(broker_id, contact.epoch) for broker_id, contact in self._contacts.items()]
        return [each for each in known if self.is_silent(*each, now_ms)]

    def _of(self, broker_id: int, epoch: int) -> Contact | None:
        contact = self._contacts.get(broker_id)
        return contact if contact is not None and contact.epoch == epoch else None
