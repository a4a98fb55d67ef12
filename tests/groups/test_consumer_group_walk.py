"""Random walks of a consumer group: members come, go, crash, lose answers; topics grow; coordinators change.

Sought after every step
    1. Two members of the group that read one partition at the same time.
    2. A standby that has replayed the log and knows something else than the coordinator.
    3. Epochs in disorder: the group's below the target's, or a member's above it.
And at the end, when nothing happens any more: a group that does not come to rest, or a partition that nobody reads.
"""

from __future__ import annotations

import random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import TopicPartitions
from tests.groups.consumer_scene import SESSION_MS, ConsumerScene, ScriptedMember, topic_id

STEPS = 250
BEGIN_AGAIN = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.FENCED_INSTANCE_ID)


class Walker:
    """A member whose answers may be lost, and which may be slow to give up partitions."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number, self.lives = world, number, 0
        self.instance = f"i{number}" if number % 3 == 0 else None
        self.member: ScriptedMember | None = None
        self.reads: dict[bytes, set[int]] = {}
        """What it works on; it stops before it says so."""
        self.said: list[TopicPartitions] | None = None
        """What the coordinator knows that it reads: it says nothing where that has not changed."""

    def begin(self) -> None:
        self.lives += 1
        self.reads, self.said = {}, None
        topics = self.world.chance.choice([("a",), ("b",), ("a", "b")])
        self.member = self.world.scene.member(f"m{self.number}.{self.lives}", *topics, instance=self.instance)
        self.say("join")

    def say(self, what: str) -> None:
        member, chance = self.member, self.world.chance
        assert member is not None
        told = member.told
        if what == "join":
            self.reads, self.said = {}, None
            member.told = {}
            fields = {"subscribed_topic_names": None, "subscribed_topic_regex": "[ab]"} if chance.random() < 0.2 else {}
            member.join(**fields)
        else:
            if chance.random() < 0.7:
                self.do(told)
            said, self.said = self.said, self.reading()
            request = member.request(topic_partitions=None if said == self.said else self.said)
            response = self.world.scene.beat(request)
            if chance.random() < 0.1:
                self.world.seen.add("lost answer")
                self.said = None
                return
            member._hear(response)
        if member.error in BEGIN_AGAIN:
            self.world.seen.add(ErrorCode.from_code(member.error).name)
            self.reads = {}
            if member.error == ErrorCode.FENCED_MEMBER_EPOCH:
                self.say("join")
            else:
                self.member = None
        elif member.error:
            self.world.seen.add(ErrorCode.from_code(member.error).name)
            self.member = None

    def reading(self) -> list[TopicPartitions]:
        return [TopicPartitions(topic, sorted(numbers)) for topic, numbers in self.reads.items()]

    def do(self, told: dict[bytes, set[int]]) -> None:
        """Stop reading what it was told to, and begin with what it was given."""
        self.reads = {topic: set(numbers) for topic, numbers in told.items()}

    def go(self, epoch: int) -> None:
        if self.member is not None:
            self.reads = {}
            self.member.leave(epoch)
            self.member = None

    def crash(self) -> None:
        """It is silent from now on; what it reads it may read until its session is over."""
        self.member = None
        self.reads = {}


class World:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.scene = ConsumerScene(group_consumer_assignment_interval_ms=self.chance.choice([0, 1_000]))
        self.walkers = [Walker(self, number) for number in range(4)]
        self.seen: set[str] = set()

    def step(self) -> None:
        walker = self.chance.choice(self.walkers)
        what = self.chance.choices(
            ["beat", "wait", "leave", "rest", "crash", "grow", "fail over", "long wait"], [70, 12, 3, 2, 2, 1, 2, 1]
        )[0]
        if walker.member is None and what == "beat":
            walker.begin()
        elif what == "beat":
            walker.say("beat")
        elif what == "leave":
            walker.go(-1)
        elif what == "rest" and walker.instance is not None:
            walker.go(-2)
        elif what == "crash":
            walker.crash()
        elif what == "wait":
            self.scene.pass_time(self.chance.randrange(3_000))
        elif what == "long wait":
            self.scene.pass_time(SESSION_MS)
        elif what == "grow":
            topic = self.chance.choice("ab")
            self.scene.set_topics(**{topic: self.scene.counts[topic] + 1})
        elif what == "fail over":
            self.fail_over()
        self.check()

    def fail_over(self) -> None:
        self.seen.add("fail over")
        self.scene = self.scene.restarted_consumers()
        self.scene.core.begin(self.scene.now)
        for walker in self.walkers:
            if walker.member is not None:
                walker.member.scene = self.scene

    def check(self) -> None:
        group = self.scene.core.groups.get("g")
        if group is None:
            return
        group = self.scene.consumers()
        self.seen.add(group.state)
        assert group.assignment_epoch <= group.epoch
        assert all(each.member_epoch <= group.assignment_epoch for each in group.members.values())
        held = [key for each in group.members.values() for key in each.held()]
        assert len(held) == len(set(held)), "held by two"
        readers: dict[tuple[bytes, int], str] = {}
        for walker in self.walkers:
            if walker.member is None or walker.member.name not in group.members:
                continue
            for key in [(topic, number) for topic, numbers in walker.reads.items() for number in numbers]:
                assert readers.setdefault(key, walker.member.name) == walker.member.name, "read by two"
        theirs = self.scene.restarted_consumers().consumers()
        assert (theirs.members, theirs.targets, theirs.regexes) == (group.members, group.targets, group.regexes)
        assert (theirs.epoch, theirs.assignment_epoch) == (group.epoch, group.assignment_epoch)

    def come_to_rest(self) -> None:
        for walker in self.walkers:
            if walker.member is None:
                self.scene.pass_time(SESSION_MS // 10)
        for _ in range(40):
            for walker in self.walkers:
                if walker.member is None:
                    walker.begin()
                elif not walker.member.error:
                    walker.do(walker.member.told)
                    walker.member._hear(self.scene.beat(walker.member.request(topic_partitions=walker.reading())))
                    if walker.member.error:
                        walker.begin()
            self.scene.pass_time(SESSION_MS // 10)
        assert self.scene.described().group_state == "Stable"
        group = self.scene.consumers()
        wanted = {topic for each in group.members.values() for topic in group.names_of(each)}
        read = sorted((topic, n) for each in self.walkers for topic, numbers in each.reads.items() for n in numbers)
        assert read == sorted((topic_id(name), n) for name in wanted for n in range(self.scene.counts[name]))


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_nobody_reads_what_another_does_and_all_is_read_in_the_end(seed: int) -> None:
    world = World(seed)
    for _ in range(STEPS):
        world.step()
    world.come_to_rest()


@pytest.mark.slow
def test_the_walk_of_consumers_meets_what_it_is_meant_to_meet() -> None:
    seen: set[str] = set()
    for seed in range(12):
        world = World(100 + seed)
        for _ in range(STEPS):
            world.step()
        seen |= world.seen
    assert {"Empty", "Assigning", "Reconciling", "Stable", "lost answer", "fail over"} <= seen, seen
    assert {"UNKNOWN_MEMBER_ID", "FENCED_MEMBER_EPOCH", "UNRELEASED_INSTANCE_ID"} <= seen, seen
