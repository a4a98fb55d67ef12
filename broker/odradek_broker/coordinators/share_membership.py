"""What share groups ask of their coordinator, where it takes more than the coordinator: the state of share partitions.

Share partitions are initialized before a member is given them, and deleted before a group is forgotten. If that stops
halfway it is done again by the next request: nothing is recorded of what was not done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_describe import DescribedGroup
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek_broker.coordinators.share_persister import each_at_once
from odradek_broker.coordinators.share_settings import share_group_settings
from odradek_broker.groups.share import calls
from odradek_broker.groups.share.describe import describe_share_group
from odradek_broker.groups.share.heartbeat import ShareHeartbeatSender
from odradek_broker.groups.share.member import ShareTopic
from odradek_broker.sharing.records import StateKey

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.coordinators.groups import GroupsRuntime
    from odradek_broker.coordinators.share_persister import SharePersister

INITIALIZE_SECONDS = 5.0

Errors = dict[tuple[bytes, int], ErrorCode]
"""By topic id and partition."""


class ShareMembership:
    """One for a broker. Every request raises CoordinatorUnavailable where the group's coordinator is not here."""

    def __init__(self, context: NodeContext, groups: GroupsRuntime, persister: SharePersister) -> None:
        self._context = context
        self._groups = groups
        self._persister = persister

    async def heartbeat(
        self, request: ShareGroupHeartbeatRequest, client_id: str, client_host: str
    ) -> ShareGroupHeartbeatResponse:
        group_id = request.group_id
        wanted = await self._groups.act(group_id, calls.uninitialized, request)
        initialized = await self._initialize(group_id, wanted) if wanted.topics else {}
        config = self._context.config
        settings = share_group_settings(self._context.image, config, group_id)
        sender = ShareHeartbeatSender(
            client_id=client_id,
            client_host=client_host,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            max_size=config.group_share_max_size,
            initialized=initialized,
        )
        return await self._groups.act(group_id, calls.share_heartbeat, request, sender)

    async def _initialize(self, group_id: str, wanted: calls.Uninitialized) -> dict[bytes, ShareTopic]:
        """What could be in INITIALIZE_SECONDS; the rest is for the next heartbeat.

        The member's session goes on only behind this: a share coordinator that hangs is not to cost it that.
        """
        keys = _keys(group_id, wanted.topics)
        errors: Mapping[StateKey, ErrorCode] = dict.fromkeys(keys, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        with trio.move_on_after(INITIALIZE_SECONDS):
            errors = await each_at_once(keys, lambda key: self._persister.initialize(key, wanted.state_epoch, -1))
        return {
            topic_id: ShareTopic(topic.name, done)
            for topic_id, topic in wanted.topics.items()
            if (done := frozenset(i for i in topic.partitions if not errors[StateKey(group_id, topic_id, i)]))
        }

    async def describe(self, group_id: str) -> DescribedGroup:
        return await self._groups.act(
            group_id, lambda table, topics, _step: describe_share_group(group_id, table.groups.get(group_id), topics)
        )

    async def initialized(self, group_id: str) -> dict[bytes, ShareTopic] | ErrorCode:
        """The group's share partitions."""
        return await self._groups.act(group_id, calls.initialized, group_id)

    async def alter_offsets(
        self, group_id: str, offsets: Mapping[bytes, Mapping[int, int]], names: Mapping[bytes, str]
    ) -> Errors | ErrorCode:
        """Let share partitions begin anew at offsets, by topic id."""
        state_epoch = await self._groups.act(group_id, calls.may_change_offsets, group_id)
        if isinstance(state_epoch, ErrorCode):
            return state_epoch
        wanted = {StateKey(group_id, topic_id, i): at for topic_id, each in offsets.items() for i, at in each.items()}
        errors = await each_at_once(list(wanted), lambda key: self._persister.initialize(key, state_epoch, wanted[key]))
        altered: dict[bytes, ShareTopic] = {}
        for topic_id, each in offsets.items():
            done = frozenset(index for index in each if not errors[StateKey(group_id, topic_id, index)])
            if done:
                altered[topic_id] = ShareTopic(names[topic_id], done)
        error = await self._groups.act(group_id, calls.offsets_altered, group_id, altered)
        return error or {(key.topic_id, key.partition): one for key, one in errors.items()}

    async def delete_offsets(self, group_id: str, topic_ids: Sequence[bytes]) -> dict[bytes, ErrorCode] | ErrorCode:
        """Let the group forget topics; by topic id, what has become of it."""
        known = await self._forgettable(group_id)
        if isinstance(known, ErrorCode):
            return known
        wanted = {each: known[each] for each in topic_ids if each in known}
        errors = await self._delete(group_id, wanted)
        done = {each for each in wanted if not errors[each]}
        error = await self._groups.act(group_id, calls.offsets_deleted, group_id, done)
        return error or {each: errors.get(each, ErrorCode.NONE) for each in topic_ids}

    async def delete_state(self, group_id: str) -> ErrorCode:
        """Before a group is deleted: what is stored of its share partitions. NONE also where it is no share group."""
        known = await self._forgettable(group_id)
        if isinstance(known, ErrorCode):
            return known if known is ErrorCode.NON_EMPTY_GROUP else ErrorCode.NONE
        errors = await self._delete(group_id, known)
        return next((each for each in errors.values() if each), ErrorCode.NONE)

    async def _forgettable(self, group_id: str) -> dict[bytes, ShareTopic] | ErrorCode:
        """The share partitions of a group in which nobody is."""
        known = await self.initialized(group_id)
        if isinstance(known, ErrorCode):
            return known
        state_epoch = await self._groups.act(group_id, calls.may_change_offsets, group_id)
        return state_epoch if isinstance(state_epoch, ErrorCode) else known

    async def _delete(self, group_id: str, topics: Mapping[bytes, ShareTopic]) -> dict[bytes, ErrorCode]:
        errors = await each_at_once(_keys(group_id, topics), self._persister.delete)
        found: dict[bytes, ErrorCode] = dict.fromkeys(topics, ErrorCode.NONE)
        for key, error in errors.items():
            found[key.topic_id] = found[key.topic_id] or error
        return found


def _keys(group_id: str, topics: Mapping[bytes, ShareTopic]) -> list[StateKey]:
    return [
        StateKey(group_id, topic_id, index) for topic_id, each in topics.items() for index in sorted(each.partitions)
    ]
