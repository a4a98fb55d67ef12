"""A run while it goes on: the world, what was drawn for it, and all that its clients did and were told."""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import Enum

import trio
from invariants import Violated
from ledger import Key
from msgspec import Struct
from world import World
from worlds import TopicPlan, WorldPlan

from odradek.metadata import TopicPartition


class Outcome(Enum):
    OK = "ok"
    """Acknowledged."""
    FAIL = "fail"
    """Surely not written."""
    INFO = "info"
    """Nobody knows: no answer came in time."""


class Write(Struct):
    """A record that was sent."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    """Unique in the run."""
    is_durable: bool
    """acks=all"""
    is_idempotent: bool
    sent_s: float
    done_s: float = 0.0
    outcome: Outcome = Outcome.INFO
    offset: int = -1
    error: str = ""


class Scene:
    """What operations and clients share. What a client was told is held against the invariants at once."""

    def __init__(self, world: World, plan: WorldPlan) -> None:
        self.world = world
        self.plan = plan
        self.writes: list[Write] = []
        self.commits: dict[tuple[str, TopicPartition], int] = {}
        """The furthest that was acknowledged, by group."""
        self.handed_out: defaultdict[tuple[str, TopicPartition], set[int]] = defaultdict(set)
        self.happened: Counter[str] = Counter()
        """Operations by kind, and what was refused of them."""
        self.is_over = trio.Event()
        """Everything is healed, and the last writers have finished."""

    def topic(self, name: str) -> TopicPlan:
        return next(topic for topic in self.plan.topics if topic.name == name)

    def partitions_of(self, topic: str) -> int:
        """How many it has now; 0 while it does not exist."""
        known = self.world.invariants.decided.topics.get(topic)
        return 0 if known is None else len(known.partitions)

    def key_of(self, partition: TopicPartition) -> Key | None:
        known = self.world.invariants.decided.topics.get(partition.topic)
        return None if known is None else (known.topic_id, partition.partition)

    def has_lost(self, partition: TopicPartition) -> bool:
        """By an election that was allowed to: nothing is sure of it any more."""
        key = self.key_of(partition)
        committed = None if key is None else self.world.invariants.committed.get(key)
        return key is None or (committed is not None and (bool(committed.cuts) or committed.awaits_cut))

    # ------------------------------------------------------------------------------------------------------ was told

    def acknowledged(self, write: Write) -> None:
        if write.is_durable:
            self._check(
                write.topic, write.partition, write.offset, write.value, write.sent_s, "its writer, with acks=all,"
            )

    def handed(self, who: str, topic: str, partition: int, offset: int, value: bytes | None, since_s: float) -> None:
        self._check(topic, partition, offset, value, since_s, who)

    def committed(self, group: str, offsets: dict[TopicPartition, int], floors: dict[TopicPartition, int]) -> None:
        """A commit was acknowledged. `floors`: the furthest that had been, when it was sent."""
        for partition, offset in offsets.items():
            if offset < floors[partition] and not self.has_lost(partition):
                self.violated(f"S9: {group} commits {offset} of {partition} after {floors[partition]}")
            key = group, partition
            self.commits[key] = max(self.commits.get(key, 0), offset)

    def floors(self, group: str, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.commits.get((group, partition), 0) for partition in partitions}

    def violated(self, story: str) -> None:
        self.world.violated(Violated(story))

    def _check(self, topic: str, partition: int, offset: int, value: bytes | None, since_s: float, who: str) -> None:
        try:
            self.world.invariants.look_at_told(topic, partition, offset, value, since_s, who)
        except Violated as violation:
            self.world.violated(violation)
