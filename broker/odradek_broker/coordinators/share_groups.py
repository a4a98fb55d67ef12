"""What share groups have from this broker: the partitions that it leads, and their members' sessions."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek_broker.controller.image import SHARE_VERSION
from odradek_broker.coordinators.dead_letters import DeadLetters
from odradek_broker.coordinators.share_leader import ShareLeader
from odradek_broker.coordinators.share_persister import SharePersister
from odradek_broker.coordinators.share_settings import ShareGroupSettings, share_group_settings
from odradek_broker.coordinators.share_state import ShareStateRuntime
from odradek_broker.loop.defects import survive
from odradek_broker.sharing.records import StateKey
from odradek_broker.sharing.sessions import ShareSession, ShareSessions

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.loop.looks import Looks
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_logs import ReplicaLogs
    from odradek_broker.partitions.replica_manager import ReplicaManager


class ShareGroupsRuntime:
    """One for a broker; `states` are the share coordinators, which may be others' too."""

    def __init__(
        self,
        context: NodeContext,
        replicas: ReplicaManager,
        logs: ReplicaLogs,
        controller: ControllerClient,
        looks: Looks,
    ) -> None:
        self._context = context
        self._replicas = replicas
        self._logs = logs
        self._looks = looks
        self.states = ShareStateRuntime(context, replicas, logs)
        self.persister = SharePersister(context, controller, logs, self.states)
        self._dead_letters = DeadLetters(context, replicas, controller, looks)
        self.sessions = ShareSessions()
        self._leaders: dict[StateKey, ShareLeader] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Share until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.states.run)
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self.close()

    def close(self) -> None:
        """Let go of everything; who waits is told to look elsewhere."""
        self._nursery = None
        for leader in list(self._leaders.values()):
            leader.close(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        self._leaders.clear()
        self.states.close()
        self.persister.close()
        self._dead_letters.close()

    def refresh(self) -> None:
        """Leaders may be others by now, and topics may be gone."""
        self.states.refresh()
        for key, leader in list(self._leaders.items()):
            error = self._why_not(leader)
            if error:
                del self._leaders[key]
                leader.close(error)

    def forget_topics(self, topic_ids: Container[bytes]) -> None:
        """Topics have been deleted: nothing need be stored of them any longer."""
        self.states.forget_topics(topic_ids)

    @property
    def is_enabled(self) -> bool:
        return self._context.image.features.get(SHARE_VERSION, 0) > 0

    def settings(self, group_id: str) -> ShareGroupSettings:
        return share_group_settings(self._context.image, self._context.config, group_id)

    # ------------------------------------------------------------------------------------------------------ partitions

    def leader(self, key: StateKey) -> ShareLeader | ErrorCode:
        """Of a share partition, where this broker leads it. It may not be loaded yet."""
        known = self._leaders.get(key)
        if known is not None and not self._why_not(known):
            known.ends_when_stored = False
            return known
        if known is not None:
            known.close(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        partition = self._partition(key)
        if isinstance(partition, ErrorCode):
            return partition
        if self._nursery is None:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        settings = partial(self.settings, key.group_id)
        made = ShareLeader(
            key, partition, self._context, self._looks, self._logs.met, self.persister, self._dead_letters, settings
        )
        self._leaders[key] = made
        self._nursery.start_soon(self._share, made)
        return made

    def known_leader(self, key: StateKey) -> ShareLeader | ErrorCode:
        """The one that is there already, with what members have in hand; before it is loaded nobody has anything."""
        known = self._leaders.get(key)
        if known is not None and (known.error or known.is_loaded):
            return known.error or known
        partition = self._partition(key)
        return partition if isinstance(partition, ErrorCode) else ErrorCode.INVALID_RECORD_STATE

    async def _share(self, leader: ShareLeader) -> None:
        try:
            await leader.run()
        except Exception as defect:
            group_id = leader.key.group_id
            survive(defect, f"{leader.partition}: what members of share group {group_id!r} have is available again")
            leader.close(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if self._leaders.get(leader.key) is leader:
            del self._leaders[leader.key]

    def _partition(self, key: StateKey) -> Partition | ErrorCode:
        name = self._context.image.topic_names.get(key.topic_id)
        return ErrorCode.UNKNOWN_TOPIC_ID if name is None else self._replicas.partition(name, key.partition)

    def _why_not(self, leader: ShareLeader) -> ErrorCode:
        if leader.error:
            return leader.error
        found = self._partition(leader.key)
        if isinstance(found, ErrorCode):
            return found
        is_same = found is leader.partition and found.leader_epoch == leader.leader_epoch
        return ErrorCode.NONE if is_same else ErrorCode.NOT_LEADER_OR_FOLLOWER

    # -------------------------------------------------------------------------------------------------------- sessions

    def connection_lost(self, session: ShareSession) -> None:
        """A member has gone without a word; unless it has a new session already."""
        if self.sessions.end(session):
            self.release(session)

    def release(self, session: ShareSession) -> None:
        """A session is over: its member's records are for others."""
        group_id, member_id = session.key
        for leader in self._of_group(group_id):
            leader.release(member_id)
        self.put_away(group_id)

    def put_away(self, group_id: str) -> None:
        """What no member of the group fetches any longer, once nothing of it is in hand, and all is stored."""
        for leader in self._of_group(group_id):
            if not self.sessions.is_wanted(group_id, (leader.key.topic_id, leader.key.partition)):
                leader.end_when_stored()

    def _of_group(self, group_id: str) -> Iterable[ShareLeader]:
        return [each for key, each in self._leaders.items() if key.group_id == group_id]
