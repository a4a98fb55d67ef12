"""Members of a group that name their topics by a regular expression, which the broker resolves (KIP-848).

They read nothing: what they are told to have is acknowledged at once, and given up at once. Who holds what is looked at
from inside (core_watch.py); in the end those that are there have, each partition once, all topics of such names.
"""

from __future__ import annotations

from random import Random
from uuid import UUID

import trio
from clients import AGAIN_S, LONGEST_LIFE_S, SHORTEST_LIFE_S
from operations import admin_of
from scene import Scene

from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.errors import OdradekError
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

GROUP_ID, MEMBERS = "r0", 2
REGEX = "t[0-9]*"
REBALANCE_MS = 10_000
JOINING, LEAVING = 0, -1
PAUSE_S = 0.5


class RegexMember:
    """One of them; life after life, until cancelled."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self._random = Random(f"{name} of {scene.world.seed}")
        self._epoch = JOINING
        self._owned: list[TopicPartitions] = []

    @property
    def held(self) -> set[tuple[bytes, int]]:
        return {(each.topic_id, index) for each in self._owned for index in each.partitions}

    async def run(self) -> None:
        while True:
            member_id = str(UUID(int=self._random.getrandbits(128), version=4))
            life_s = self._random.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S)
            try:
                async with admin_of(self._scene) as admin:
                    coordinator = Coordinator(admin._cluster, GROUP, GROUP_ID)
                    with trio.move_on_after(float("inf") if self._scene.is_over.is_set() else life_s):
                        await self._beat(coordinator, member_id)
                    if self._random.random() < 0.5:  # else it dies, and its session has to end
                        await self._say(coordinator, member_id, LEAVING)
            except OdradekError as error:
                self._scene.world.note(f"{GROUP_ID}: {error}")
            self._epoch, self._owned = JOINING, []
            await trio.sleep(AGAIN_S)

    async def _beat(self, coordinator: Coordinator, member_id: str) -> None:
        """As long as it is a member."""
        while True:
            answer = await self._say(coordinator, member_id, self._epoch)
            if answer.error_code:
                return
            self._epoch = answer.member_epoch
            if answer.assignment is not None:
                self._owned = list(answer.assignment.topic_partitions)
            await trio.sleep(PAUSE_S)

    async def _say(self, coordinator: Coordinator, member_id: str, epoch: int) -> ConsumerGroupHeartbeatResponse:
        """All of itself, with each heartbeat."""
        request = ConsumerGroupHeartbeatRequest(
            *(GROUP_ID, member_id, epoch),
            rebalance_timeout_ms=REBALANCE_MS,
            subscribed_topic_regex=REGEX,
            topic_partitions=self._owned,
        )
        return await coordinator.ask_until_answered(
            request, ConsumerGroupHeartbeatResponse, lambda answer: answer.error_code, purpose="heartbeat"
        )


async def until_all_is_held(scene: Scene, members: list[RegexMember]) -> None:
    """When all is healed: return when each partition of these topics is one member's."""
    while True:
        held = [members_share for member in members for members_share in member.held]
        if len(held) == len(set(held)) and set(held) == _wanted(scene):
            return
        await trio.sleep(PAUSE_S)


def _wanted(scene: Scene) -> set[tuple[bytes, int]]:
    decided = scene.world.invariants.decided.topics
    names = {topic.name for topic in scene.plan.topics}
    return {(each.topic_id, index) for name, each in decided.items() if name in names for index in each.partitions}
