"""What coordinators, and leaders of share partitions, promise of answers and of whom they take them from.

S15  whoever reads share state to lead fences all leaders before it; a member is told that what it said counts once it
     is stored; what a start of the coordinator needs is not deleted
S17  an answer leaves a coordinator once all that was appended before it is committed, and none leaves one whose broker
     leads the partition no longer; who is not a member, or one of an earlier generation, commits nothing where there
     are members; once a coordinator has loaded, every member has a session that ends

From inside, as core_watch.py: a commit that is answered too early is lost only where its coordinator dies in the same
moment, and whoever is no member any longer commits most often what is true all the same.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from core_watch import broken, is_watching, watch_cores

from odradek_broker.coordination.result import Instant
from odradek_broker.coordinators.group_partition import GroupPartition
from odradek_broker.coordinators.runtime import CoordinatorPartition
from odradek_broker.coordinators.share_leader import ShareLeader
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.timers import Timer, TimerKind
from odradek_broker.partitions.commits import Commits
from odradek_broker.sharing.records import StateKey
from odradek_broker.sharing.share_state import ShareState, ShareStateCoordinator, Write


def watch_everything() -> None:
    """Cores too: from now on, to the end of this run of Trio."""
    watch_cores()


# --------------------------------------------------------------------------------------------------------- coordinators


def _watched_settle(self: CoordinatorPartition[Any], commit: Any, answers: Any) -> None:
    answers = list(answers)
    if is_watching() and answers and commit.last_offset >= self.partition.high_watermark:
        raise broken(f"S17: {self.partition} answers for {commit.last_offset} at {self.partition.high_watermark}")
    _settle(self, commit, answers)


async def _watched_ask(self: CoordinatorPartition[Any], *args: Any, **named: Any) -> Any:
    partition = self.partition
    if is_watching() and self.is_loaded and not (partition.is_leader and partition.leader_epoch == self.leader_epoch):
        raise broken(f"S17: {partition} is asked, and does not lead in {self.leader_epoch} any longer")
    return await _ask(self, *args, **named)


_settle, _ask = CoordinatorPartition._settle, CoordinatorPartition.ask
CoordinatorPartition._settle = _watched_settle  # type: ignore[method-assign]
CoordinatorPartition.ask = _watched_ask  # type: ignore[method-assign]

# --------------------------------------------------------------------------------------------------------------- groups


def _watched_commit(self: GroupCoordinator, request: Any, *args: Any, **named: Any) -> Any:
    result = _commit(self, request, *args, **named)
    group = self.groups.get(request.group_id)
    if is_watching() and isinstance(group, ClassicGroup) and not group.is_empty and not named.get("transactional"):
        codes = {entry.error_code for topic in result.response.topics for entry in topic.partitions}
        is_of_now = request.generation_id_or_member_epoch == group.generation
        if codes == {0} and not (is_of_now and request.member_id in group.members):
            raise broken(f"S17: {request} is taken by {group.group_id} in {group.generation}: {list(group.members)}")
    return result


def _watched_load(self: GroupPartition) -> None:
    _tell(self)
    if not is_watching():
        return
    core = self.coordinator
    groups: dict[str, Any] = dict(core.groups)
    for group_id, group in groups.items():
        for member_id in group.members:
            if core._timers.deadline_ms(Timer(TimerKind.SESSION, group_id, member_id)) is None:
                raise broken(f"S17: {member_id} of {group_id} has no session that ends")


_commit, _tell = GroupCoordinator.commit, GroupPartition._tell_what_is_loaded
GroupCoordinator.commit = _watched_commit  # type: ignore[method-assign]
GroupPartition._tell_what_is_loaded = _watched_load  # type: ignore[method-assign]

# ---------------------------------------------------------------------------------------------------------- share state

_readers: WeakKeyDictionary[ShareStateCoordinator, dict[StateKey, int]] = WeakKeyDictionary()


def _watched_read(self: ShareStateCoordinator, key: StateKey, leader_epoch: int, now: Instant) -> Any:
    result = _read(self, key, leader_epoch, now)
    if is_watching() and isinstance(result.response, ShareState):
        if leader_epoch > self.states[key].leader_epoch and not result.records:
            raise broken(f"S15: {key} is read in {leader_epoch}, and nobody is fenced")
        read_in = _readers.setdefault(self, {})
        read_in[key] = max(leader_epoch, read_in.get(key, 0))
    return result


def _watched_write(self: ShareStateCoordinator, key: StateKey, write: Write, now: Instant) -> Any:
    result = _write(self, key, write, now)
    if is_watching() and result.records and write.leader_epoch < _readers.get(self, {}).get(key, 0):
        raise broken(f"S15: {key} was read in {_readers[self][key]}, and is written in {write.leader_epoch}")
    return result


def _watched_need(self: ShareStateCoordinator, high_watermark: int) -> int:
    needed = _need(self, high_watermark)
    first = min((state.snapshot_offset for state in self.states.values()), default=needed)
    if is_watching() and first < needed:
        raise broken(f"S15: the snapshot at {first} is deleted, with all up to {needed}")
    return needed


_read, _write, _need = (
    ShareStateCoordinator.read,
    ShareStateCoordinator.write,
    ShareStateCoordinator.first_needed_offset,
)
ShareStateCoordinator.read = _watched_read  # type: ignore[method-assign]
ShareStateCoordinator.write = _watched_write  # type: ignore[method-assign]
ShareStateCoordinator.first_needed_offset = _watched_need  # type: ignore[method-assign]


class _WatchedStores(Commits):
    """Of one leader of a share partition: its members are told by these."""

    def __init__(self, leader: ShareLeader) -> None:
        super().__init__()
        self._leader = leader

    def reached(self, offset: int) -> None:
        if is_watching() and offset > self._leader._stored + 1:
            raise broken(f"S15: {offset - 1} changes count, and {self._leader._stored} are stored")
        super().reached(offset)


def _watched_init(self: ShareLeader, *args: Any, **named: Any) -> None:
    _init(self, *args, **named)
    if is_watching():
        self._stores = _WatchedStores(self)


_init = ShareLeader.__init__
ShareLeader.__init__ = _watched_init  # type: ignore[method-assign]
