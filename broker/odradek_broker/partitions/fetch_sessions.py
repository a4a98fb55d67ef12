"""Incremental fetch sessions (KIP-227): what a client has asked for before, so that it need not say it again.

    (id 0, epoch 0)     a new session is asked for; refused (id 0 in the answer) where there is no room
    (id 0, epoch -1)    no session
    (id n, epoch -1)    close session n; the request is a full one
    (id n, epoch 0)     close session n and make a new one
    (id n, epoch e)     the partitions named change the session, and its e-th answer leaves out what has not changed

No await here: plain bookkeeping. Two bounds: how many sessions there are, and how many partitions all of them together
remember. Where a new one finds no room, one has to go that

    nobody has used for two minutes; or, where it is sessions that are too many,
    is a consumer's, for a follower's; or is two minutes old, and of fewer partitions than the new one

else the new one is none, and its client goes on with full requests. A session that outgrows what is left ends likewise.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TypeAlias

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, PartitionData

TopicKey: TypeAlias = str | bytes
"""A name, or from version 13 on an id: a session keeps to one of the two."""
PartitionKey: TypeAlias = tuple[TopicKey, int]

EVICT_AFTER_MS = 120_000
NO_SESSION, FULL, NEW = 0, -1, 0
MAX_EPOCH = 0x7FFF_FFFF


class FetchSession:
    """One client's."""

    def __init__(self, session_id: int, by_id: bool, *, is_follower: bool, now_ms: int) -> None:
        self.session_id = session_id
        self.by_id = by_id
        self.is_follower = is_follower
        self.next_epoch = 1
        self.created_ms = self.used_ms = now_ms
        self.wanted: dict[PartitionKey, FetchPartition] = {}
        self._told: dict[PartitionKey, tuple[int, int]] = {}

    def update(self, request: FetchRequest) -> None:
        for topic in request.topics:
            for partition in topic.partitions:
                self.wanted[topic.topic_id if self.by_id else topic.topic, partition.partition] = partition
        for gone in request.forgotten_topics_data:
            for index in gone.partitions:
                key = (gone.topic_id if self.by_id else gone.topic, index)
                self.wanted.pop(key, None)
                self._told.pop(key, None)

    @property
    def rank(self) -> tuple[bool, int]:
        """Who is higher may take the place of who is lower."""
        return self.is_follower, len(self.wanted)

    def take_news(
        self, answers: Iterable[tuple[PartitionKey, PartitionData]]
    ) -> list[tuple[PartitionKey, PartitionData]]:
        """What an incremental answer has to name, and is told by it."""
        return [(key, data) for key, data in answers if self._tell(key, data)]

    def _tell(self, key: PartitionKey, data: PartitionData) -> bool:
        """False where the client knows it all; after an error it is told the next time too."""
        told = (data.high_watermark, data.log_start_offset)
        if data.error_code:
            self._told.pop(key, None)
            return True
        changed = self._told.get(key) != told
        self._told[key] = told
        return changed or bool(data.records) or data.diverging_epoch.epoch >= 0 or data.preferred_read_replica >= 0


class FetchSessions:
    """All of a broker's."""

    def __init__(self, slots: int, most_partitions: int, random: Random) -> None:
        self._slots = slots
        self._most_partitions = most_partitions
        self._random = random
        self._sessions: dict[int, FetchSession] = {}
        self.partition_count = 0
        """Of all sessions together."""

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, request: FetchRequest, *, by_id: bool, now_ms: int) -> FetchSession | ErrorCode | None:
        """The session that a request belongs to; None where it has none; or what is wrong."""
        session_id, epoch = request.session_id, request.session_epoch
        if session_id != NO_SESSION and epoch in (FULL, NEW):
            self._end(session_id)
        if epoch == FULL:
            return None
        if epoch == NEW:
            return self._create(request, by_id, now_ms)
        session = self._sessions.get(session_id)
        if session is None:
            return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        if epoch != session.next_epoch:
            return ErrorCode.INVALID_FETCH_SESSION_EPOCH
        if by_id != session.by_id:
            return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
        session.next_epoch = 1 if epoch == MAX_EPOCH else epoch + 1
        session.used_ms = now_ms
        before = len(session.wanted)
        session.update(request)
        self.partition_count += len(session.wanted) - before
        if self.partition_count > self._most_partitions:
            self._end(session_id)
            return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        return session

    def _create(self, request: FetchRequest, by_id: bool, now_ms: int) -> FetchSession | None:
        if not request.topics:
            return None
        is_follower = max(request.replica_id, request.replica_state.replica_id) >= 0
        session = FetchSession(NO_SESSION, by_id, is_follower=is_follower, now_ms=now_ms)
        session.update(request)
        if not self._make_room(session, now_ms):
            return None
        while session.session_id == NO_SESSION or session.session_id in self._sessions:
            session.session_id = self._random.randint(1, MAX_EPOCH)
        self._sessions[session.session_id] = session
        self.partition_count += len(session.wanted)
        return session

    def _make_room(self, new: FetchSession, now_ms: int) -> bool:
        while self.partition_count + len(new.wanted) > self._most_partitions:
            oldest = self._oldest()
            if oldest is None or not _is_unused(oldest, now_ms):
                return False
            self._end(oldest.session_id)
        if len(self._sessions) < self._slots:
            return True
        going = self._dispensable(new, now_ms)
        if going is not None:
            self._end(going.session_id)
        return going is not None

    def _dispensable(self, new: FetchSession, now_ms: int) -> FetchSession | None:
        oldest = self._oldest()
        if oldest is not None and _is_unused(oldest, now_ms):
            return oldest
        had_its_time = [
            each
            for each in self._sessions.values()
            if now_ms - each.created_ms >= EVICT_AFTER_MS or (new.is_follower and not each.is_follower)
        ]
        lowest = min(had_its_time, key=lambda each: each.rank, default=None)
        return lowest if lowest is not None and lowest.rank < new.rank else None

    def _oldest(self) -> FetchSession | None:
        return min(self._sessions.values(), key=lambda session: session.used_ms, default=None)

    def _end(self, session_id: int) -> None:
        ended = self._sessions.pop(session_id, None)
        if ended is not None:
            self.partition_count -= len(ended.wanted)


def _is_unused(session: FetchSession, now_ms: int) -> bool:
    return now_ms - session.used_ms >= EVICT_AFTER_MS
