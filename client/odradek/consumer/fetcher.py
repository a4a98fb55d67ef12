"""Keeps the buffers of assigned partitions filled: one fetch under way for each broker that leads some of them.

A broker that hangs keeps nothing that another leads by now: a fetch that has been under way for longer than a broker
waits for records is reason to look who leads, and a fetch of what has moved is given up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import trio
from msgspec import Struct

from odradek.cluster.cluster import Cluster
from odradek.cluster.metadata import BrokerAddress
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.fetch_requests import Fetches, FetchPlan, still_fetching
from odradek.consumer.partition import PartitionState
from odradek.errors import OdradekError
from odradek.protocol.messages.fetch import FetchRequest, FetchResponse
from odradek.wakeup import Wakeup

logger = logging.getLogger(__name__)


OVERDUE_SECONDS = 3.0
"""How long behind fetch_max_wait_ms an answer is before it is asked, again and again, who leads."""


class UnderWay(Struct):
    """A fetch."""

    plan: FetchPlan
    scope: trio.CancelScope
    overdue_at: float


class Fetcher:
    """`on_arrival` is called after each answer."""

    def __init__(
        self,
        cluster: Cluster,
        config: ConsumerConfig,
        states: Callable[[], Iterable[PartitionState]],
        on_arrival: Callable[[], None],
    ) -> None:
        self._on_arrival = on_arrival
        self._cluster = cluster
        self._config = config
        self._states = states
        self._fetches = Fetches(config, cluster.image)
        self._under_way: dict[int, UnderWay] = {}
        """By broker."""
        self._wakeup = Wakeup()

    def wake(self) -> None:
        """There may be something to fetch: a position was found, room was made, a pause has ended."""
        self._wakeup.set()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_metadata)
            while True:
                now = trio.current_time()
                for leader, plan in self._fetches.plan(self._states(), self._under_way, now).items():
                    overdue_at = now + self._config.fetch_max_wait_ms / 1000 + OVERDUE_SECONDS
                    self._under_way[leader] = UnderWay(plan, trio.CancelScope(), overdue_at)
                    still_fetching(plan.asked, True)
                    nursery.start_soon(self._fetch, leader, plan, self._under_way[leader].scope)
                self._note_leaderless()
                retry_at = self._fetches.next_retry_at(self._states(), now)
                await self._wakeup.wait(min(retry_at, self._next_overdue_at(now)))

    def _next_overdue_at(self, now: float) -> float:
        """When to ask again who leads; where that is now, it is asked."""
        for fetch in self._under_way.values():
            if fetch.overdue_at <= now:
                fetch.overdue_at = now + OVERDUE_SECONDS
                self._cluster.wish_refresh()
        return min((fetch.overdue_at for fetch in self._under_way.values()), default=float("inf"))

    async def _fetch(self, leader: int, plan: FetchPlan, scope: trio.CancelScope) -> None:
        waits_until = trio.current_time() + self._config.fetch_max_wait_ms / 1000
        try:
            with scope:
                answer = await self._ask(leader, plan)
            if scope.cancelled_caught:
                return
        except OdradekError as error:
            logger.debug("fetching from broker %d: %s", leader, error)
            if not error.retriable:
                for asked in plan.asked:
                    asked.state.error = error
            self._put_off(plan)
            self._cluster.wish_refresh()
        else:
            image = self._cluster.image
            image.take_brokers(BrokerAddress(n.node_id, n.host, n.port, n.rack) for n in answer.node_endpoints)
            now = trio.current_time()
            if self._fetches.take(plan, answer, now + self._cluster.backoff_s, early=now < waits_until):
                self._cluster.wish_refresh()
        finally:
            still_fetching(plan.asked, False)
            del self._under_way[leader]
            self._wakeup.set()
            self._on_arrival()

    async def _ask(self, leader: int, plan: FetchPlan) -> FetchResponse:
        connection = await self._cluster.connection(leader, "fetch")
        request, limit = self._fetches.request(plan)
        version = connection.version_of(FetchRequest, limit)
        timeout_s = self._cluster.request_timeout_s + self._config.fetch_max_wait_ms / 1000
        return await connection.request(request, FetchResponse, timeout_s, version)

    def _put_off(self, plan: FetchPlan) -> None:
        retry_at = trio.current_time() + self._cluster.backoff_s
        for asked in plan.asked:
            asked.state.not_before, asked.state.nearer = retry_at, None

    def _note_leaderless(self) -> None:
        leaderless = self._fetches.leaderless(self._states())
        if leaderless:
            self._cluster.activities.begin("fetch", f"{leaderless[0].topic_partition} has no leader")
            self._cluster.wish_refresh()
        else:
            self._cluster.activities.end("fetch")

    async def _follow_metadata(self) -> None:
        while True:
            await self._cluster.changed.wait()
            for fetch in self._under_way.values():
                if self._fetches.has_moved(fetch.plan, trio.current_time()):
                    fetch.scope.cancel()
            self._wakeup.set()
