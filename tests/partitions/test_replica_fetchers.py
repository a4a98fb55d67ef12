"""Whom a broker fetches from, and what it makes of a leader's silence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import trio
import trio.testing

from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import BrokerImage, Endpoint, MetadataImage
from odradek_broker.metadata.reachability import SUSPICION_MS, Reachability
from odradek_broker.partitions.replica_fetchers import ReplicaFetchers
from tests.apis.small_broker import FixedClock

LEADER = 2


def follower_that_waits_for_its_disk() -> Any:
    async def wait_flushed(_: Any) -> None:
        await trio.sleep_forever()

    return SimpleNamespace(is_behind=lambda _: True, wait_flushed=wait_flushed, forget_rests=lambda: None)


async def test_a_leader_that_dies_again_is_suspected_again_though_it_was_not_reached_in_between() -> None:
    clock: Any = FixedClock()
    there = BrokerImage(broker_id=LEADER, epoch=1, endpoints=(Endpoint("PLAINTEXT", "127.0.0.1", 1),), fenced=False)
    image = MetadataImage(brokers={LEADER: there})
    context: Any = SimpleNamespace(node_id=1, network=None, clock=clock, image=image, config=BrokerConfig())
    partition: Any = SimpleNamespace(
        leadership=None, leader_id=LEADER, leader_epoch=0, topic_id=bytes(16), index=0, log=SimpleNamespace(failed=None)
    )
    reachability = Reachability(clock)
    controller: Any = SimpleNamespace(broker_epoch=1)
    fetchers = ReplicaFetchers(
        context, {("t", 0): partition}, controller, reachability, follower_that_waits_for_its_disk
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetchers.run)
        await trio.testing.wait_all_tasks_blocked()
        reachability.lost(LEADER)
        clock.passed_ms += SUSPICION_MS
        reachability.lost(LEADER)
        assert not reachability.is_suspect(LEADER), "it may be only us who cannot reach it"
        for leader in (1, LEADER):
            partition.leader_id = leader
            fetchers.refresh()
        reachability.lost(LEADER)
        assert reachability.is_suspect(LEADER)
        nursery.cancel_scope.cancel()
