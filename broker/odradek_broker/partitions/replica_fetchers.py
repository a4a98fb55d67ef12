"""Followers: for each broker that leads partitions of which we keep replicas, a task that fetches them (one each in
replica_fetcher.py). Kafka: ReplicaFetcherManager.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from odradek_broker.partitions.replica_fetcher import ReplicaFetcher

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.metadata.reachability import Reachability
    from odradek_broker.partitions.follower import Follower, Key
    from odradek_broker.partitions.partition import Partition, Partitions
    from odradek_broker.ports.network import Address


class ReplicaFetchers:
    """All of a broker's."""

    def __init__(
        self,
        context: NodeContext,
        partitions: Partitions,
        controller: ControllerClient,
        reachability: Reachability,
        make_follower: Callable[[], Follower],
    ) -> None:
        self._context = context
        self._partitions = partitions
        self._controller = controller
        self._reachability = reachability
        self._make_follower = make_follower
        self._fetchers: dict[int, ReplicaFetcher] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.refresh()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # a log may still come to be open, in the hands of a worker when the broker stops

    def refresh(self) -> None:
        """The metadata has changed: leaders may be others, or elsewhere."""
        if self._nursery is None:
            return
        wanted: defaultdict[int, dict[Key, Partition]] = defaultdict(dict)
        brokers = self._context.image.brokers
        for partition in self._partitions.values():
            if partition.leadership is None and partition.leader_id in brokers and partition.log.failed is None:
                wanted[partition.leader_id][partition.topic_id, partition.index] = partition
        for leader, fetcher in list(self._fetchers.items()):
            address = self._address(leader)
            if leader not in wanted or fetcher.address != address:
                fetcher.stop()
                del self._fetchers[leader]
        for leader, partitions in wanted.items():
            if leader in self._fetchers:
                self._fetchers[leader].assign(partitions)
            elif (address := self._address(leader)) is not None:
                fetcher = self._fetchers[leader] = self._made(leader, address, partitions)
                self._nursery.start_soon(fetcher.run)

    def _made(self, leader: int, address: Address, partitions: dict[Key, Partition]) -> ReplicaFetcher:
        follower = self._make_follower()
        self._reachability.asked_anew(leader)
        return ReplicaFetcher(
            self._context, self._controller, self._reachability, follower, leader, address, partitions
        )

    def _address(self, broker_id: int) -> Address | None:
        broker = self._context.image.brokers.get(broker_id)
        return None if broker is None else broker.address(self._context.config.inter_broker_listener)
