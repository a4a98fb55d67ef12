"""What an assignor is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct

Assignment: TypeAlias = Mapping[bytes, frozenset[int]]
"""Topic id to partitions; no topic is there without any."""

NO_PARTITIONS: Assignment = MappingProxyType({})


class MemberSpec(Struct, frozen=True, kw_only=True):
    """A member, as an assignor sees it."""

    member_id: str
    instance_id: str | None = None
    topics: frozenset[bytes]
    """The ids of the topics that it has subscribed to; only such as exist."""
    assignment: Assignment = NO_PARTITIONS
    """What it was meant to have until now."""


class GroupSpec(Struct, frozen=True, kw_only=True):
    """The members, the eldest first, and the topics that any of them has subscribed to."""

    members: Sequence[MemberSpec]
    partition_counts: Mapping[bytes, int]
