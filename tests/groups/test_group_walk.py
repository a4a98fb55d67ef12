"""A random walk: clients that act properly come, go, crash and return, the coordinator fails, records are refused.

What must hold, whatever happens (S9)
    Within a generation a partition has at most one owner.
    Generations rise.
    Only the current generation commits.
    A coordinator that has only the records knows the same as the one that wrote them.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import MemberIdentity
from odradek.protocol.messages.sync_group import SyncGroupResponse
from odradek_broker.coordination.result import CoordinatorResult
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.group import ClassicGroup, GroupState
from tests.groups.group_scene import SESSION_MS, Scene, range_protocol

PARTITIONS = 6
STEPS = 4_000


class World:
    """One group, its clients, and what is known to have been promised."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.scene = Scene(initial_delay_ms=self.chance.choice([0, 1_000]), group_max_size=5)
        self.rebalance_ms = self.chance.choice([3_000, 20_000])
        self.clients = [Client(self, number) for number in range(7)]
        self.ids = 0
        self.life = 0
        """How often the group has been forgotten: its generations then begin anew."""
        self.owners: dict[tuple[int, int, int], str] = {}
        self.newest_handed_out = (0, 0)
        self.generation = 0
        self.refusing = False
        self.seen: set[str] = set()
        self.standby = GroupCoordinator(self.scene.settings)
        self.replayed = 0
        self.watch()

    def watch(self) -> None:
        carry_out = self.scene.carry_out

        def unless_refused(result: CoordinatorResult[Any]) -> Any:
            if self.refusing and result.records:
                self.seen.add("refused")
                return None
            return carry_out(result)

        self.scene.carry_out = unless_refused  # type: ignore[method-assign]

    def step(self) -> None:
        match self.chance.choices(["client", "time", "restart", "delete"], [90, 12, 0.7, 0.2])[0]:
            case "client":
                self.refusing = self.chance.random() < 0.02
                self.chance.choice(self.clients).act()
                self.refusing = False
            case "time":
                self.scene.pass_time(self.chance.choice([1, 300, 2_000, SESSION_MS // 2]))
            case "restart":
                self.seen.add("restart")
                self.scene = self.scene.restarted()
                self.watch()
                self.generation = 0
                for client in self.clients:
                    client.lose_connection()
            case "delete":
                if self.scene.delete() == 0:
                    self.seen.add("delete")
        self.check()

    def check(self) -> None:
        group = self.scene.core.groups.get("g")
        if group is None:
            self.life, self.generation = self.life + 1, 0
            return
        assert isinstance(group, ClassicGroup)
        self.seen.add(group.state)
        assert group.generation >= self.generation
        self.generation = group.generation
        assert (group.leader_id in group.members) == bool(group.members)
        assert set(group.static_members.values()) <= set(group.members)
        self.compare()

    def compare(self) -> None:
        """Let a standby replay what has been recorded, and ask both what they know."""
        for offset in range(self.replayed, len(self.scene.log)):
            self.standby.replay(self.scene.log[offset], offset, self.scene.now)
        self.replayed = len(self.scene.log)
        group = self.scene.group()
        recorded = self.standby.groups.get("g") or ClassicGroup("g")
        assert isinstance(recorded, ClassicGroup)
        assert group.offsets.committed == recorded.offsets.committed
        if group.recorded and group.state in (GroupState.STABLE, GroupState.EMPTY):
            assert what_is_recorded(group) == what_is_recorded(recorded)

    def handed_out(self, client: Client, assignment: bytes) -> None:
        generation = (client.life, client.generation)
        self.newest_handed_out = max(generation, self.newest_handed_out)
        for partition in assignment:
            owner = self.owners.setdefault((*generation, partition), client.identity)
            assert owner == client.identity, f"partition {partition} of generation {generation} has two owners"

    def committed(self, client: Client) -> None:
        assert (client.life, client.generation) >= self.newest_handed_out, "a commit from a generation that is over"


def what_is_recorded(group: ClassicGroup) -> object:
    assignments = {each.member_id: each.assignment for each in group.members.values()}
    return group.state, group.state_since_ms, group.to_value(assignments, 0), group.static_members


class Client:
    """A member as a client library would be one: it joins, assigns if it leads, syncs, works, commits."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.instance = f"instance-{number}" if number % 3 == 0 else None
        self.version = [3, 5, 9][number % 3] if self.instance is None else [5, 9][number % 2]
        self.topics: tuple[str, ...] = ("t",)
        self.restart()

    def restart(self) -> None:
        self.member_id, self.generation = "", -1
        self.act = self.join
        self.ticket = 0

    @property
    def identity(self) -> str:
        return self.instance or self.member_id

    def lose_connection(self) -> None:
        if self.ticket:
            self.ticket, self.act = 0, self.join

    def join(self) -> None:
        self.world.ids += 1
        self.life = self.world.life
        self.ticket = self.world.scene.join(
            self.member_id,
            new_id=f"m{self.world.ids}",
            instance=self.instance,
            version=self.version,
            protocols=range_protocol(*self.topics),
            rebalance_ms=self.world.rebalance_ms,
        )
        self.act = self.wait_for_join

    def wait_for_join(self) -> None:
        answer = self.answer()
        if not isinstance(answer, JoinGroupResponse):
            return
        self.act = self.join
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
        elif answer.error_code:
            self.fail(answer.error_code)
        else:
            self.member_id, self.generation = answer.member_id, answer.generation_id
            leads = answer.leader == self.member_id and not answer.skip_assignment
            if answer.skip_assignment:
                self.world.seen.add("skip")
            self.sync(self.divide([each.member_id for each in answer.members]) if leads else {})

    def divide(self, members: list[str]) -> dict[str, bytes]:
        """Any complete and disjoint assignment; another one each time."""
        shares: dict[str, list[int]] = {member: [] for member in members}
        for partition in range(PARTITIONS):
            shares[self.world.chance.choice(members)].append(partition)
        return {member: bytes(share) for member, share in shares.items()}

    def sync(self, assignments: dict[str, bytes]) -> None:
        self.ticket = self.world.scene.sync(self.member_id, self.generation, assignments, instance=self.instance)
        self.act = self.wait_for_sync

    def wait_for_sync(self) -> None:
        answer = self.answer()
        if not isinstance(answer, SyncGroupResponse):
            return
        if answer.error_code:
            self.fail(answer.error_code)
        else:
            self.world.handed_out(self, answer.assignment)
            self.act = self.work

    def answer(self) -> object:
        """Whoever waits too long asks again."""
        found = self.world.scene.answers.get(self.ticket)
        if found is not None:
            self.ticket = 0
        elif self.world.chance.random() < 0.03:
            self.lose_connection()
        return found

    def fail(self, error: int) -> None:
        self.world.seen.add(ErrorCode.from_code(error).name)
        self.act = self.join
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.restart()

    def work(self) -> None:
        match self.world.chance.choices(["beat", "commit", "leave", "crash", "change"], [60, 30, 3, 2, 1])[0]:
            case "beat":
                error = self.world.scene.heartbeat(self.member_id, self.generation, instance=self.instance)
                if error:
                    self.fail(error)
            case "commit":
                self.commit()
            case "leave":
                self.world.scene.leave(MemberIdentity(self.member_id, self.instance))
                self.restart()
            case "crash":
                self.restart()
            case "change":
                self.topics = self.world.chance.choice([("t",), ("t", "u")])
                self.act = self.join

    def commit(self) -> None:
        chance, refusing = self.world.chance, self.world.refusing
        if refusing:
            return
        error = self.world.scene.commit(
            chance.randrange(100),
            self.member_id,
            self.generation,
            partition=chance.randrange(PARTITIONS),
            instance=self.instance,
        )
        if error:
            self.fail(error)
        else:
            self.world.committed(self)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_groups_invariants_hold(seed: int) -> None:
    world = World(seed)
    for _ in range(STEPS):
        world.step()
    assert {"Stable", "PreparingRebalance", "CompletingRebalance"} <= world.seen


@pytest.mark.slow
def test_the_walk_meets_what_it_is_meant_to_meet() -> None:
    seen: set[str] = set()
    for seed in range(8):
        world = World(100 + seed)
        for _ in range(STEPS):
            world.step()
        seen |= world.seen
    errors = {"UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "FENCED_INSTANCE_ID", "ILLEGAL_GENERATION"}
    assert errors <= seen, seen
    assert {"Empty", "restart", "delete", "refused", "skip", "GROUP_MAX_SIZE_REACHED"} <= seen, seen
