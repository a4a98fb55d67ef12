"""Share sessions: what each member of a share group fetches from this broker, so that it need not say it again.

    epoch 0     a new session, in place of one that there may be
    epoch e     the e-th request of the session, be it a ShareFetch or a ShareAcknowledge
    epoch -1    its last one: what the member still has acquired is for others

No await here: plain bookkeeping. A session belongs to the connection that has opened it, and ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from odradek.protocol.errors import ErrorCode

PartitionKey: TypeAlias = tuple[bytes, int]
"""A topic's id, and a partition's index."""

INITIAL, FINAL = 0, -1
MAX_EPOCH = 0x7FFF_FFFF


class SessionKey(NamedTuple):
    group_id: str
    member_id: str


class ShareSession:
    """One member's, at one broker."""

    def __init__(self, key: SessionKey) -> None:
        self.key = key
        self.next_epoch = 1
        self.wanted: dict[PartitionKey, None] = {}
        """In the order in which they are served next."""
        self.on_end: Callable[[], object] = lambda: None
        """Called when it is over, or has made place; not when its connection is lost."""

    def update(self, added: Iterable[PartitionKey], forgotten: Iterable[PartitionKey] = ()) -> None:
        self.wanted.update(dict.fromkeys(added))
        for each in forgotten:
            self.wanted.pop(each, None)

    def served(self, partition: PartitionKey) -> None:
        """The others come first the next time."""
        if partition in self.wanted:
            del self.wanted[partition]
            self.wanted[partition] = None


class ShareSessions:
    """All of a broker's."""

    def __init__(self) -> None:
        self._sessions: dict[SessionKey, ShareSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, key: SessionKey, epoch: int, most: int) -> ShareSession | ErrorCode:
        """The session that a fetch belongs to; or what is wrong. `most`: so many sessions there may be."""
        if epoch != INITIAL:
            return self.go_on(key, epoch)
        former = self._sessions.pop(key, None)
        if former is not None:
            former.on_end()
        if len(self._sessions) >= most:
            return ErrorCode.SHARE_SESSION_LIMIT_REACHED
        session = self._sessions[key] = ShareSession(key)
        return session

    def go_on(self, key: SessionKey, epoch: int) -> ShareSession | ErrorCode:
        """The session that is there already: it counts this request, or with the last one is over."""
        if epoch == INITIAL:
            return ErrorCode.INVALID_SHARE_SESSION_EPOCH
        session = self._sessions.get(key)
        if session is None:
            return ErrorCode.SHARE_SESSION_NOT_FOUND
        if epoch == FINAL:
            session.on_end()
            return self._sessions.pop(key)
        if epoch != session.next_epoch:
            return ErrorCode.INVALID_SHARE_SESSION_EPOCH
        session.next_epoch = 1 if epoch == MAX_EPOCH else epoch + 1
        return session

    def wanted_by(self, group_id: str) -> set[PartitionKey]:
        """All that members of the group fetch."""
        sessions = (each for key, each in self._sessions.items() if key.group_id == group_id)
        return set().union(*(each.wanted for each in sessions))

    def end(self, session: ShareSession) -> bool:
        """Its connection is over; whether it was still the session of its member."""
        is_current = self._sessions.get(session.key) is session
        if is_current:
            del self._sessions[session.key]
        return is_current
