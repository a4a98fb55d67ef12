"""Share sessions: what each member of a share group fetches from this broker, so that it need not say it again.

    epoch 0     a new session, in place of one that there may be
    epoch e     the e-th request of the session, be it a ShareFetch or a ShareAcknowledge
    epoch -1    its last one: what the member still has acquired is for others

No await here: plain bookkeeping. A session belongs to the connection that has opened it, and ends with it. What a
group's members fetch is counted as they say it, so that the end of one is no matter of all the others.
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

    def __init__(self, key: SessionKey, interest: _Interest) -> None:
        self.key = key
        self._interest: _Interest | None = interest
        self.next_epoch = 1
        self.wanted: dict[PartitionKey, None] = {}
        """In the order in which they are served next."""
        self.on_end: Callable[[], object] = lambda: None
        """Called when it is over, or has made place; not when its connection is lost."""

    def update(self, added: Iterable[PartitionKey], forgotten: Iterable[PartitionKey] = ()) -> None:
        for each in added:
            if each not in self.wanted:
                self.wanted[each] = None
                self._count(each, 1)
        for each in forgotten:
            if each in self.wanted:
                del self.wanted[each]
                self._count(each, -1)

    def served(self, partition: PartitionKey) -> None:
        """The others come first the next time."""
        if partition in self.wanted:
            del self.wanted[partition]
            self.wanted[partition] = None

    def leave(self) -> None:
        """It is none of the broker's any more."""
        for each in self.wanted:
            self._count(each, -1)
        self._interest = None

    def _count(self, partition: PartitionKey, more: int) -> None:
        if self._interest is not None:
            self._interest.count(partition, more)


class _Interest:
    """How many members of one group fetch which partition, and how many there are."""

    def __init__(self) -> None:
        self.members = 0
        self._counts: dict[PartitionKey, int] = {}

    def __contains__(self, partition: PartitionKey) -> bool:
        return partition in self._counts

    def count(self, partition: PartitionKey, more: int) -> None:
        count = self._counts.get(partition, 0) + more
        if count:
            self._counts[partition] = count
        else:
            del self._counts[partition]


class ShareSessions:
    """All of a broker's."""

    def __init__(self) -> None:
        self._sessions: dict[SessionKey, ShareSession] = {}
        self._interests: dict[str, _Interest] = {}
        """By group."""

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, key: SessionKey, epoch: int, most: int) -> ShareSession | ErrorCode:
        """The session that a fetch belongs to; or what is wrong. `most`: so many sessions there may be."""
        if epoch != INITIAL:
            return self.go_on(key, epoch)
        if key in self._sessions:
            self._remove(key).on_end()
        if len(self._sessions) >= most:
            return ErrorCode.SHARE_SESSION_LIMIT_REACHED
        interest = self._interests.setdefault(key.group_id, _Interest())
        interest.members += 1
        session = self._sessions[key] = ShareSession(key, interest)
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
            return self._remove(key)
        if epoch != session.next_epoch:
            return ErrorCode.INVALID_SHARE_SESSION_EPOCH
        session.next_epoch = 1 if epoch == MAX_EPOCH else epoch + 1
        return session

    def is_wanted(self, group_id: str, partition: PartitionKey) -> bool:
        """Whether a member of the group fetches it."""
        return partition in self._interests.get(group_id, ())

    def end(self, session: ShareSession) -> bool:
        """Its connection is over; whether it was still the session of its member."""
        is_current = self._sessions.get(session.key) is session
        if is_current:
            self._remove(session.key)
        return is_current

    def _remove(self, key: SessionKey) -> ShareSession:
        session, interest = self._sessions.pop(key), self._interests[key.group_id]
        session.leave()
        interest.members -= 1
        if not interest.members:
            del self._interests[key.group_id]
        return session
