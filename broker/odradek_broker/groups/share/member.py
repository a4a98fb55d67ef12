"""A member of a share group, and a topic that the group shares."""

from __future__ import annotations

from msgspec import Struct

from odradek_broker.groups.assignors.spec import NO_PARTITIONS, Assignment

LONGEST_MEMBER_ID = 36
"""Characters: as a UUID has, though it need not be one."""


class ShareMember(Struct, frozen=True, kw_only=True):
    """A member of a share group."""

    member_id: str
    member_epoch: int = 0
    previous_member_epoch: int = 0
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: frozenset[str] = frozenset()
    assigned: Assignment = NO_PARTITIONS


class ShareTopic(Struct, frozen=True):
    """A topic of which partitions are initialized."""

    name: str
    partitions: frozenset[int]
