"""Fetching for a share consumer, from brokers in memory: one that hangs keeps nothing that another leads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek.protocol.messages.share_fetch import ShareFetchResponse
from odradek.share.config import ShareConsumerConfig
from odradek.share.fetcher import ShareFetcher
from odradek.wakeup import Changes

PARTITION = (b"t" * 16, 0)
REQUEST_TIMEOUT_S = 30


class HungLeader:
    """A cluster whose broker 1 leads and never answers. Who asks is told that broker 2 leads, if it has become so."""

    request_timeout_s, backoff_s = REQUEST_TIMEOUT_S, 0.1

    def __init__(self, *, has_moved: bool) -> None:
        self.has_moved = has_moved
        self.changed = Changes()
        self.leader = 1
        self.asked: list[tuple[int, float]] = []
        self.given_up: list[tuple[int, float]] = []
        self.questions = 0
        self.image = SimpleNamespace(
            topic_name=lambda _: "t", leader=lambda _topic, _index: self.leader, take_brokers=list
        )

    def wish_refresh(self) -> None:
        self.questions += 1
        if self.has_moved:
            self.leader = 2
        self.changed.announce()

    async def request(self, node_id: int, request: Any, kind: Any, *, purpose: str, timeout_s: float) -> Any:
        self.asked.append((node_id, trio.current_time()))
        try:
            await trio.sleep(timeout_s if node_id == 1 else 0.5)
        except trio.Cancelled:
            self.given_up.append((node_id, trio.current_time()))
            raise
        return ShareFetchResponse()


@pytest.fixture
def membership() -> Any:
    return SimpleNamespace(assigned=frozenset([PARTITION]), changed=Changes(), error=None, member_id="m")


async def run_for(seconds: float, cluster: Any, membership: Any) -> None:
    fetcher = ShareFetcher(cluster, ShareConsumerConfig(), "g", membership)
    fetcher.is_awaited = True
    with trio.move_on_after(seconds):
        await fetcher.run()


async def test_a_leader_that_hangs_keeps_no_share_partition_that_another_leads(
    membership: Any, autojump_clock: Any
) -> None:
    cluster, began = HungLeader(has_moved=True), trio.current_time()
    await run_for(10, cluster, membership)
    node_id, given_up_at = cluster.given_up[0]
    assert (node_id, given_up_at - began < 5) == (1, True), "so that what was said in it is known not to count"
    first = next(at for node_id, at in cluster.asked if node_id == 2)
    assert first - began < 5 < REQUEST_TIMEOUT_S


async def test_a_leader_that_is_late_and_still_leads_is_waited_for(membership: Any, autojump_clock: Any) -> None:
    cluster = HungLeader(has_moved=False)
    await run_for(20, cluster, membership)
    assert [node_id for node_id, _ in cluster.asked] == [1]
    assert 3 < cluster.questions < 10, "and not in a storm"
