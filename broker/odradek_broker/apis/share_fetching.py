"""Acquires for one ShareFetch: finds records in the partitions of its session, waits for some, takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek_broker.coordinators.share_leader import ShareLeader
from odradek_broker.log.file_slice import FileSlice
from odradek_broker.sharing.records import StateKey
from odradek_broker.sharing.share_partition import Acquired

if TYPE_CHECKING:
    from odradek.protocol.messages.share_fetch import ShareFetchRequest
    from odradek_broker.node.broker import Broker
    from odradek_broker.sharing.sessions import PartitionKey, ShareSession

PARTITION_MAX_BYTES = 1024 * 1024
"""Read of one partition at once, but for a longer first batch."""

LOADING_SECONDS = 1.0
"""What is stored of a share partition is waited for so long by whoever will not wait for records."""

RECORD_LIMIT = 1
"""The share_acquire_mode in which max_records is meant strictly."""


class Fetched(Struct, frozen=True):
    """Of one partition."""

    error: ErrorCode = ErrorCode.NONE
    records: bytes | memoryview = b""
    acquired: list[Acquired] = []


Found = dict["PartitionKey", FileSlice]


class ShareFetching:
    """One request's."""

    def __init__(
        self, request: ShareFetchRequest, session: ShareSession, broker: Broker, may_read: Callable[[bytes], bool]
    ) -> None:
        """`may_read`: whether a topic of that id may be read now, whatever could be when the session began."""
        self._request = request
        self._session = session
        self._broker = broker
        self._may_read = may_read
        self._max_bytes = min(request.max_bytes, broker.config.fetch_max_bytes)
        """Records are read into memory, other than those of a Fetch."""
        self._leaders: dict[PartitionKey, ShareLeader] = {}
        self._fetched: dict[PartitionKey, Fetched] = {}

    async def fetch(self, deadline: float) -> dict[PartitionKey, Fetched]:
        """What was acquired by then, and what is wrong with which partition."""
        if self._request.max_records <= 0:
            return self._fetched
        with trio.move_on_at(max(deadline, trio.current_time() + LOADING_SECONDS)):
            await self._find_leaders()
        with trio.move_on_at(deadline):
            while not await self._take(self._request.min_bytes):
                if self._fetched or self._broker.is_stopping:
                    break
                await self._wait()
        if not any(each.acquired for each in self._fetched.values()):
            await self._take(0)
        return self._fetched

    async def _take(self, min_bytes: int) -> bool:
        """Acquire, where there is so much; whether we have got any.

        What is found may be there for nobody, as records of an aborted transaction: then what lies behind it is found,
        and since there may be any number of them others run in between.
        """
        while (found := self._find()) and sum(len(each) for each in found.values()) >= min_bytes:
            if self._acquire(found):
                return True
            await trio.lowlevel.checkpoint()
        return False

    async def _find_leaders(self) -> None:
        """Let all be loaded that are not, at the same time."""
        group_id = self._session.key.group_id
        for key in self._session.wanted:
            if not self._may_read(key[0]):
                self._fetched[key] = Fetched(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
                continue
            leader = self._broker.sharing.leader(StateKey(group_id, *key))
            if isinstance(leader, ErrorCode):
                self._fetched[key] = Fetched(leader)
            else:
                self._leaders[key] = leader
        for leader in list(self._leaders.values()):
            await leader.wait_loaded()

    def _find(self) -> Found:
        """Where there are records for us; the partitions that come first share what may be read."""
        found: Found = {}
        share = max(self._max_bytes // max(len(self._leaders), 1), 1)
        for key, leader in list(self._leaders.items()):
            if leader.error or not leader.is_loaded:
                self._refuse(key, leader.error)
                continue
            each = leader.find(min(share, PARTITION_MAX_BYTES))
            if isinstance(each, ErrorCode):
                self._refuse(key, each)
            elif each is not None:
                found[key] = each
        return found

    def _refuse(self, key: PartitionKey, error: ErrorCode) -> None:
        if error:
            self._fetched[key] = Fetched(error)
            del self._leaders[key]

    def _acquire(self, found: Found) -> bool:
        """Take it; whether we have got any."""
        left, got = self._request.max_records, False
        left_bytes = self._max_bytes
        for key, where in found.items():
            if left <= 0 or (left_bytes < len(where) and got):
                break
            strict = self._request.share_acquire_mode == RECORD_LIMIT
            given = self._leaders[key].acquire(self._session.key.member_id, where, left, strict=strict)
            if isinstance(given, ErrorCode):
                self._refuse(key, given)
            elif given.acquired:
                got = True
                left -= sum(each.last_offset - each.first_offset + 1 for each in given.acquired)
                left_bytes -= len(given.records)
                self._fetched[key] = Fetched(ErrorCode.NONE, given.records, given.acquired)
                self._session.served(key)
        return got

    async def _wait(self) -> None:
        """Until there may be more than there was."""
        event = trio.Event()
        leaders = list(self._leaders.values())
        for leader in leaders:
            leader.add_fetcher(event)
        try:
            await event.wait()
        finally:
            for leader in leaders:
                leader.remove_fetcher(event)
