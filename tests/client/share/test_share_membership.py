"""Membership of a share group, with a coordinator in memory."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek.share.config import ShareConsumerConfig
from odradek.share.membership import ShareMembership


class SilentCoordinator:
    """Hears all, and answers no join."""

    node_id = 1

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def ask_until_answered(self, request: ShareGroupHeartbeatRequest, *_: Any, **__: Any) -> Any:
        self.heard.append(request.member_epoch)
        await trio.sleep_forever()

    async def ask(self, request: ShareGroupHeartbeatRequest, *_: Any, **__: Any) -> None:
        self.heard.append(request.member_epoch)


async def test_who_has_asked_to_join_says_that_it_goes_answered_or_not(autojump_clock: Any) -> None:
    cluster: Any = SimpleNamespace(surroundings=SimpleNamespace(random=Random(0)), request_timeout_s=30)
    membership, coordinator = ShareMembership(cluster, ShareConsumerConfig(), "g", ["t"]), SilentCoordinator()
    membership._coordinator = coordinator  # type: ignore[assignment]
    await membership.leave()
    assert coordinator.heard == [], "nobody knows of it"
    with trio.move_on_after(1):
        await membership.run()
    await membership.leave()
    assert coordinator.heard == [0, -1]


class HastyCoordinator(SilentCoordinator):
    """Would be asked again at once, or before that."""

    def __init__(self, interval_ms: int) -> None:
        super().__init__()
        self.interval_ms = interval_ms

    async def ask_until_answered(
        self, request: ShareGroupHeartbeatRequest, *_: Any, **__: Any
    ) -> ShareGroupHeartbeatResponse:
        self.heard.append(request.member_epoch)
        assert len(self.heard) < 100, "without a pause"
        return ShareGroupHeartbeatResponse(member_epoch=1, heartbeat_interval_ms=self.interval_ms)


@pytest.mark.parametrize("interval_ms", [0, -1])
async def test_no_interval_lets_a_member_ask_without_a_pause(autojump_clock: Any, interval_ms: int) -> None:
    cluster: Any = SimpleNamespace(surroundings=SimpleNamespace(random=Random(0)), request_timeout_s=30, backoff_s=0.1)
    membership, coordinator = ShareMembership(cluster, ShareConsumerConfig(), "g", ["t"]), HastyCoordinator(interval_ms)
    membership._coordinator = coordinator  # type: ignore[assignment]
    with trio.move_on_after(1.05):
        await membership.run()
    assert len(coordinator.heard) == 11
