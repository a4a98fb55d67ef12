"""Which brokers live: the active controller's memory of who was heard of when. Nothing of it is in the journal.

Who has not been heard of for a session is to be fenced. A controller that has just begun gives everybody a whole
session. Times are the clock's, monotonic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct


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
        self._contacts: dict[int, Contact] = {}

    def heard(self, broker_id: int, epoch: int, now_ms: int) -> None:
        contact = self._contacts.get(broker_id)
        if contact is None or contact.epoch != epoch:
            contact = self._contacts[broker_id] = Contact(epoch, now_ms)
        contact.heard_ms, contact.is_lost = now_ms, False

    def lost(self, broker_id: int, epoch: int) -> None:
        """The connection over which it was heard has ended."""
        contact = self._contacts.get(broker_id)
        if contact is not None and contact.epoch == epoch:
            contact.is_lost = True

    def is_lost(self, broker_id: int, epoch: int) -> bool:
        contact = self._contacts.get(broker_id)
        return contact is not None and contact.epoch == epoch and contact.is_lost

    def forget(self, broker_id: int) -> None:
        self._contacts.pop(broker_id, None)

    def watch(self, brokers: Collection[tuple[int, int]], now_ms: int) -> None:
        """Expect to hear of these (id, epoch) within a session; those that are known keep their time."""
        for broker_id, epoch in brokers:
            if broker_id not in self._contacts:
                self._contacts[broker_id] = Contact(epoch, now_ms, is_lost=True)

    def restart(self, now_ms: int) -> None:
        """Everybody gets a whole session from now on."""
        for contact in self._contacts.values():
            contact.heard_ms = now_ms

    def expired(self, now_ms: int) -> Iterator[int]:
        return (broker_id for broker_id, each in self._contacts.items() if now_ms - each.heard_ms >= self.session_ms)
