"""Incremental fetch sessions (KIP-227): what a client has asked for before, so that it need not say it again.

    (id 0, epoch 0)     a new session is asked for; refused (id 0 in the answer) where there is no room
    (id 0, epoch -1)    no session
    (id n, epoch -1)    close session n; the request is a full one
    (id n, epoch 0)     close session n and make a new one
    (id n, epoch e)     the partitions named change the session, and its e-th answer leaves out what has not changed

No await here: plain bookkeeping. A session that nobody has used for two minutes may be evicted for a new one.
"""

from __future__ import annotations

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

    def __init__(self, session_id: int, by_id: bool) -> None:
        self.session_id = session_id
        self.by_id = by_id
        self.next_epoch = 1
        self.used_ms = 0
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

    def is_news(self, key: PartitionKey, data: PartitionData) -> bool:
        """Whether an incremental answer has to name the partition; after an error it will the next time too."""
        told = (data.high_watermark, data.log_start_offset)
        if data.error_code:
            self._told.pop(key, None)
            return True
        changed = self._told.get(key) != told
        self._told[key] = told
        return changed or bool(data.records) or data.diverging_epoch.epoch >= 0 or data.preferred_read_replica >= 0


class FetchSessions:
    """All of a broker's."""

    def __init__(self, slots: int, random: Random) -> None:
        self._slots = slots
        self._random = random
        self._sessions: dict[int, FetchSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, request: FetchRequest, *, by_id: bool, now_ms: int) -> FetchSession | ErrorCode | None:
        """The session that a request belongs to; None where it has none; or what is wrong."""
        session_id, epoch = request.session_id, request.session_epoch
        if session_id != NO_SESSION and epoch in (FULL, NEW):
            self._sessions.pop(session_id, None)
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
        session.update(request)
        return session

    def _create(self, request: FetchRequest, by_id: bool, now_ms: int) -> FetchSession | None:
        if not request.topics or not self._make_room(now_ms):
            return None
        session_id = self._random.randint(1, MAX_EPOCH)
        while session_id in self._sessions:
            session_id = self._random.randint(1, MAX_EPOCH)
        session = self._sessions[session_id] = FetchSession(session_id, by_id)
        session.used_ms = now_ms
        session.update(request)
        return session

    def _make_room(self, now_ms: int) -> bool:
        if len(self._sessions) < self._slots:
            return True
        oldest = min(self._sessions.values(), key=lambda session: session.used_ms, default=None)
        if oldest is None or now_ms - oldest.used_ms < EVICT_AFTER_MS:
            return False
        del self._sessions[oldest.session_id]
        return True
