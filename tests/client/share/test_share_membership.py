"""Membership of a share group, with a coordinator in memory."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import trio

from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from odradek.share.config import ShareConsumerConfig
from odradek.share.membership import ShareMembership


class SilentCoordinator:
    """Hears all, and answers no join."""

    node_id = 1

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def ask_until_answered(self, request: ShareGroupHeartbeatRequest, *_: Any, **__: Any) -> None:
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
