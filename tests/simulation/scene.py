"""A run while it goes on: the world, what was drawn for it, and all that its clients did and were told."""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import Enum
from typing import NamedTuple

import trio
from invariants import Violated
from ledger import Key
from msgspec import Struct
from world import World
from worlds import TopicPlan, WorldPlan

from odradek.protocol.topic_partition import TopicPartition

GROUP_OFFSETS = "__consumer_offsets"


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
    leader_epoch: int = -1
    """When it was sent."""


class Claim(NamedTuple):
    """What a member of a group takes to be its own."""

    member_id: str
    generation: int
    partitions: frozenset[TopicPartition]


class Scene:
    """What operations and clients share. What a client was told is held against the invariants at once."""

    def __init__(self, world: World, plan: WorldPlan) -> None:
        self.world = world
        self.plan = plan
        self.writes: list[Write] = []
        self.commits: dict[tuple[str, TopicPartition], int] = {}
        """The furthest that was acknowledged, by group."""
        self.late_commits: defaultdict[tuple[str, TopicPartition], set[int]] = defaultdict(set)
        """Those that were not answered at the first asking: they may come a second time, after a further one."""
        self.claims: dict[str, dict[str, Claim]] = defaultdict(dict)
        """What the members of a group take for theirs, by the member's name in this run."""
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

    @property
    def has_lost_commits(self) -> bool:
        """The same of what groups have committed."""
        invariants = self.world.invariants
        topic = invariants.decided.topics.get(GROUP_OFFSETS)
        found = [invariants.committed.get((topic.topic_id, index)) for index in topic.partitions] if topic else []
        return any(each is not None and (bool(each.cuts) or each.awaits_cut or each.is_void) for each in found)

    # ------------------------------------------------------------------------------------------------------ was told

    def acknowledged(self, write: Write) -> None:
        if write.is_durable:
            self._check(
                write.topic, write.partition, write.offset, write.value, write.sent_s, "its writer, with acks=all,"
            )
        elif self.world.syncs:
            self._check_is_durable(write)

    def _check_is_durable(self, write: Write) -> None:
        """With acks=1 its leader has it on stable storage; it may be gone all the same where another leads.

        Of a topic that was made anew nobody knows which one has answered.
        """
        place = TopicPartition(write.topic, write.partition)
        invariants, key = self.world.invariants, self.key_of(place)
        decided = invariants.decided.partition(*place)
        if key is None or decided is None or decided.leader_epoch != write.leader_epoch:
            return
        if len(invariants.incarnations[write.topic]) > 1:
            return
        views = [invariants.replicas[node, key] for node in decided.replicas if (node, key) in invariants.replicas]
        if any(view.is_lost or view.durable_offset > write.offset for view in views):
            return
        self.violated(f"S11: {write} was acknowledged with acks=1, and is on no disk: {', '.join(map(str, views))}")

    def handed(self, who: str, topic: str, partition: int, offset: int, value: bytes | None, since_s: float) -> None:
        self._check(topic, partition, offset, value, since_s, who)

    def given_as_committed(self, who: str, place: TopicPartition, offset: int) -> None:
        """Somebody who reads committed records was given this one."""
        try:
            self.world.invariants.look_at_stable(*place, offset, who)
        except Violated as violation:
            self.world.violated(violation)

    def committed(self, group: str, offsets: dict[TopicPartition, int], floors: dict[TopicPartition, int]) -> None:
        """A commit was acknowledged. `floors`: the furthest that had been, when it was sent."""
        for partition, offset in offsets.items():
            if offset < floors[partition] and not self.has_lost(partition):
                self.violated(f"S9: {group} commits {offset} of {partition} after {floors[partition]}")
            key = group, partition
            self.commits[key] = max(self.commits.get(key, 0), offset)

    def looked_up(self, group: str, found: dict[TopicPartition, int], floors: dict[TopicPartition, int]) -> None:
        """Somebody was told what the group has committed. `floors`: the furthest that had been, when he asked."""
        if self.has_lost_commits:
            return
        for partition, floor in floors.items():
            offset = found.get(partition, 0)
            if offset < floor and offset not in self.late_commits[group, partition] and not self.has_lost(partition):
                self.violated(f"S9: {group} had committed {floor} of {partition}, and {offset} is said")

    def claimed(self, group: str, name: str, claim: Claim) -> None:
        """A member has an assignment. In its generation no other member may have any of that.

        A coordinator that has lost its newest records counts generations again that members still believe in.
        """
        for other, theirs in self.claims[group].items():
            shared = sorted(claim.partitions & theirs.partitions)
            if other != name and theirs.generation == claim.generation and shared and not self.has_lost_commits:
                self.violated(f"S13: {name} and {other} of {group} both have {shared} in generation {claim.generation}")
        self.claims[group][name] = claim

    def floors(self, group: str, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.commits.get((group, partition), 0) for partition in partitions}

    def violated(self, story: str) -> None:
        self.world.violated(Violated(story))

    def _check(self, topic: str, partition: int, offset: int, value: bytes | None, since_s: float, who: str) -> None:
        try:
            self.world.invariants.look_at_told(topic, partition, offset, value, since_s, who)
        except Violated as violation:
            self.world.violated(violation)
