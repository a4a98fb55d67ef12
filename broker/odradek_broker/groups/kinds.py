"""What groups of every kind have in common.

A group id belongs to one group, of one kind. It changes its kind only while nobody is in it, or by a migration that is
recorded as a whole; its offsets stay.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Protocol

from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.history import History
from odradek_broker.groups.offsets import GroupOffsets


class GroupKind(StrEnum):
    """By the names that clients filter for."""

    CLASSIC = "classic"
    CONSUMER = "consumer"
    SHARE = "share"


class Group(Protocol):
    """A group of any kind."""

    kind: ClassVar[GroupKind]
    group_id: str
    offsets: GroupOffsets
    history: History

    @property
    def state(self) -> str:
        """Kafka's word for it."""

    @property
    def protocol_type(self) -> str | None: ...

    @property
    def is_empty(self) -> bool:
        """Nobody is in it."""

    @property
    def is_awaited(self) -> bool:
        """Somebody has been told an id and is about to come."""

    @property
    def is_void(self) -> bool:
        """Nothing would be lost, and nobody would notice, if it were forgotten."""

    @property
    def empty_since_ms(self) -> int:
        """By the wall clock; -1 where that is not known, or does not matter to its offsets."""

    def subscribed_topics(self) -> frozenset[str] | None:
        """Every topic that a member reads; None where that cannot be made out."""

    def tombstones(self) -> list[CoordinatorRecord]:
        """What takes back all that has been recorded of it, its offsets apart."""
