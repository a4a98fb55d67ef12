"""What heartbeats of share groups wait for, beside their own coordinator."""

from __future__ import annotations

from typing import Any

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import MetadataImage
from odradek_broker.coordinators.share_membership import ShareMembership
from odradek_broker.groups.share import calls
from odradek_broker.groups.share.heartbeat import ShareHeartbeatSender
from odradek_broker.groups.share.member import ShareTopic

SESSION_SECONDS = 45


class Context:
    config = BrokerConfig()
    image = MetadataImage()


class Groups:
    """A group of which a topic is not initialized."""

    initialized: Any = None

    async def act(self, _group_id: str, act: Any, *arguments: Any) -> Any:
        if act is calls.uninitialized:
            return calls.Uninitialized(1, {b"t" * 16: ShareTopic("t", frozenset({0}))})
        sender: ShareHeartbeatSender = arguments[1]
        self.initialized = sender.initialized
        return ShareGroupHeartbeatResponse(member_id="m", member_epoch=1)


class Hanging:
    """A share coordinator that answers nothing."""

    async def initialize(self, *_: Any) -> ErrorCode:
        await trio.sleep_forever()
        return ErrorCode.NONE


async def test_a_share_coordinator_that_hangs_costs_no_member_its_session(autojump_clock: Any) -> None:
    groups = Groups()
    membership = ShareMembership(Context(), groups, Hanging())  # type: ignore[arg-type]
    with trio.fail_after(SESSION_SECONDS / 2):
        answer = await membership.heartbeat(ShareGroupHeartbeatRequest("g", "m", 1), "c", "/h")
    assert answer.member_epoch == 1
    assert groups.initialized == {}
