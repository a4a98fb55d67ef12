"""The share consumer: what a program calls.

Invariants
    Nothing outlives the scope.
    A record that nothing was said of counts as accepted when the next one is asked for, or when the scope is left
    normally; with acknowledge="explicit" only what was said counts. What nothing was said of when the scope is left by
    an exception or a cancellation is released.
    One task at a time may ask for records; any may say what became of one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, Unpack, cast, overload

import trio

from odradek.cluster.client import Client
from odradek.errors import BrokerError, SerializationFailed
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.share.config import ShareConsumerConfig, ShareConsumerOptions
from odradek.share.fetcher import Held, ShareFetcher
from odradek.share.health import ShareConsumerHealth
from odradek.share.membership import ShareMembership
from odradek.share.shared import Shared
from odradek.share.verdicts import Verdict
from odradek.topic import Topic

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

Names: TypeAlias = str | Sequence[str]
Acknowledge: TypeAlias = Literal["implicit", "explicit"]


class ShareConsumer(Client[ShareConsumerConfig], Generic[K, V]):
    """Deals with records together with others: `async with ShareConsumer("localhost:9092", "orders", group="workers")`.

    `topics` are names, or Topics that say what keys and values are. Members of the group get records, not partitions:
    one that is not accepted comes again, to whoever is free. `acknowledge="explicit"`: nothing counts as accepted
    unless it was said so. Further arguments are ShareConsumerOptions.

    Entering raises BootstrapFailed where no broker answers.
    """

    _KIND = "a share consumer"

    @overload
    def __init__(
        self: ShareConsumer[bytes | None, bytes | None],
        bootstrap: str | Sequence[str],
        topics: Names,
        *,
        group: str,
        acknowledge: Acknowledge = "implicit",
        **options: Unpack[ShareConsumerOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ShareConsumer[K, V],
        bootstrap: str | Sequence[str],
        topics: Topic[K, V] | Sequence[Topic[K, V]],
        *,
        group: str,
        acknowledge: Acknowledge = "implicit",
        **options: Unpack[ShareConsumerOptions],
    ) -> None: ...

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        topics: Names | Topic[Any, Any] | Sequence[Topic[Any, Any]],
        *,
        group: str,
        acknowledge: Acknowledge = "implicit",
        **options: Unpack[ShareConsumerOptions],
    ) -> None:
        super().__init__(bootstrap, ShareConsumerConfig(**options))
        self.group = group
        if acknowledge not in ("implicit", "explicit"):
            raise ValueError(f"acknowledge={acknowledge!r}: use one of implicit, explicit")
        self._is_implicit = acknowledge == "implicit"
        wanted: list[str | Topic[Any, Any]] = [topics] if isinstance(topics, str | Topic) else list(topics)
        self._typed = {topic.name: topic for topic in wanted if isinstance(topic, Topic)}
        self._names = [topic.name if isinstance(topic, Topic) else topic for topic in wanted]
        if not self._names:
            raise ValueError("no topics are named")
        self._handed_out: list[Shared[K, V]] = []

    # ------------------------------------------------------------------------------------------------ the scope

    def _track(self) -> None:
        self._cluster.track(self._names)

    @asynccontextmanager
    async def _serve(self, nursery: trio.Nursery) -> AsyncIterator[None]:
        self._membership = ShareMembership(self._cluster, self.config, self.group, self._names)
        self._fetcher = ShareFetcher(self._cluster, self.config, self.group, self._membership)
        fetching = trio.CancelScope()
        nursery.start_soon(self._keep_up, fetching)
        self._is_open = True
        is_normal = False
        try:
            yield
            is_normal = True
        finally:
            self._is_open = False
            await self._close(fetching, is_normal=is_normal)

    async def _keep_up(self, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._membership.run)
                nursery.start_soon(self._fetcher.run)

    async def _close(self, fetching: trio.CancelScope, *, is_normal: bool) -> None:
        """Tell the last of it, and go; shielded, and short from when somebody wants us gone.

        At the same time: a broker that does not answer is not to keep the group from hearing of it.
        """
        if is_normal:
            self._accept_handed_out()
        fetching.cancel()
        timeout_s = self.config.close_timeout_ms / 1000
        patience = trio.CancelScope(shield=True, deadline=trio.current_time() + timeout_s)
        async with trio.open_nursery() as outside:
            outside.start_soon(_hurry_when_cancelled, patience, timeout_s / 5)
            with patience:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._membership.leave)
                    nursery.start_soon(self._fetcher.end_sessions)
            outside.cancel_scope.cancel()
        if patience.cancelled_caught:
            logger.warning("what became of records could not be told in time; they may be delivered again")

    # ------------------------------------------------------------------------------------------------- reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Shared[K, V]:
        """The next record. Waits for as long as it takes.

        Raises what a broker says that is final, and SerializationFailed: the record in it is released.
        """
        (shared,) = await self._next(1, None)
        return shared

    async def poll(self, max_records: int | None = None, timeout_s: float | None = None) -> list[Shared[K, V]]:
        """What is there now, up to `max_records` (max_poll_records where left out); waits for the first one.

        Empty when nothing came within `timeout_s`. Raises what `async for` raises.
        """
        deadline = None if timeout_s is None else trio.current_time() + timeout_s
        return await self._next(max_records or self.config.max_poll_records, deadline)

    async def _next(self, at_most: int, deadline: float | None) -> list[Shared[K, V]]:
        self._check_open()
        self._accept_handed_out()
        fetcher = self._fetcher
        await trio.lowlevel.checkpoint_if_cancelled()
        held = fetcher.take(at_most)
        with trio.move_on_at(float("inf") if deadline is None else deadline):
            fetcher.is_awaited = not held
            try:
                while not held:
                    if fetcher.error is not None:
                        raise fetcher.error
                    fetcher.wake()
                    await fetcher.changed.wait()
                    held = fetcher.take(at_most)
            finally:
                fetcher.is_awaited = False
        return self._hand_out(held)

    def _hand_out(self, held: list[Held]) -> list[Shared[K, V]]:
        shared: list[Shared[K, V]] = []
        for each in held:
            try:
                shared.append(self._shared(each))
            except SerializationFailed:
                self._fetcher.put_back(other for other in held if other is not each)
                each.say(Verdict.RELEASE)
                raise
        self._handed_out = list(shared)
        return shared

    def _shared(self, held: Held) -> Shared[K, V]:
        record, delivery_count = held.arrived
        typed = self._typed.get(record.topic)
        decoded = cast("Record[K, V]", record) if typed is None else typed.decode(record)
        return Shared(decoded, delivery_count, held.say, partial(held.source.renew, held))

    def _accept_handed_out(self) -> None:
        handed_out, self._handed_out = self._handed_out, []
        if self._is_implicit:
            for shared in handed_out:
                if shared.verdict is None:
                    shared.accept()

    # ------------------------------------------------------------------------------------------------ verdicts

    async def commit(self) -> None:
        """Return when all that was said until now is stored, so that it outlives any broker.

        Raises BrokerError where something did not count: the record was not ours any longer, and may come again.
        """
        self._check_open()
        await self._fetcher.settle()
        refused = self._fetcher.refused
        if refused:
            where, code = refused[0]
            refused.clear()
            raise BrokerError(code, None if where is None else str(where))

    @property
    def assignment(self) -> list[TopicPartition]:
        """The partitions that we fetch; others may fetch them too."""
        found = (self._fetcher.name(each) for each in self._membership.assigned)
        return sorted(each for each in found if each is not None)

    def health(self) -> ShareConsumerHealth:
        """What is connected, what we have in hand, and what is waited for and for how long."""
        if not self._is_open:
            return ShareConsumerHealth([], self._activities.now(), "", 0, None, [], 0, 0, True, 0)
        membership, fetcher = self._membership, self._fetcher
        return ShareConsumerHealth(
            connections=self._cluster.health(),
            waiting=self._activities.now(),
            member_id=membership.member_id,
            member_epoch=membership.epoch,
            coordinator=membership.coordinator,
            assignment=self.assignment,
            fetched_count=sum(held.is_ours for held in fetcher.arrived),
            undecided_count=sum(shared.verdict is None for shared in self._handed_out),
            is_settled=fetcher.is_settled,
            refused_count=len(fetcher.refused),
        )


async def _hurry_when_cancelled(patience: trio.CancelScope, left_s: float) -> None:
    """Leave no more time than that from when whoever awaits this is cancelled."""
    try:
        await trio.sleep_forever()
    finally:
        patience.deadline = min(patience.deadline, trio.current_time() + left_s)
