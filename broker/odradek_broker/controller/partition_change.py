"""How a partition changes: who is in sync, who leads, who could (PartitionChangeBuilder.java, KIP-966).

Invariants
    A replica becomes leader only out of the ISR, or out of the ELR while the ISR is empty; any other is an unclean
    election, made only where the topic allows it, or where the last known leader is all that is left.
    As long as the ISR is smaller than min.insync.replicas nothing is committed (the leader sees to that), so whoever
    leaves such an ISR still has all that was: it goes into the ELR. While the ISR is not smaller, there is no ELR.
    The last known ELR is whoever led last, from when nobody does (as in Kafka, which has kept more there, and then
    nobody was elected at all).
    A new leader epoch begins whenever the leader is another, or a replica is taken off: so that it is fenced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import IntEnum

from msgspec import Struct

from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.controller.image import NO_LEADER, PartitionImage

RECOVERED, RECOVERING = 0, 1
SAME_LEADER, SAME_RECOVERY = -2, -1
"""In a record: neither has changed."""

IsActive = Callable[[int], bool]


class Election(IntEnum):
    """What is wanted of an election."""

    ANY = 0
    """A leader, where there is none or it may not stay."""
    PREFERRED = 1
    """The first replica, if it may lead."""
    UNCLEAN = 2
    """A leader at any price."""


class Rules(Struct, frozen=True):
    """What holds for the topic."""

    min_insync: int = 1
    unclean: bool = False
    """unclean.leader.election.enable"""

    def are_enough(self, isr: Sequence[int], replicas: Sequence[int]) -> bool:
        """Whether a leader commits with those in sync; it counts in the same way (replication/leader.py)."""
        return len(isr) >= min(self.min_insync, len(replicas))


class Target(Struct):
    """What a partition is to become; fields are filled in step by step."""

    isr: list[int]
    replicas: list[int]
    adding: list[int]
    removing: list[int]
    elr: list[int]
    last_known_elr: list[int]


class Wish(Struct, frozen=True):
    """What is to be another; all else stays."""

    isr: Collection[int] | None = None
    replicas: Collection[int] | None = None
    adding: Collection[int] | None = None
    removing: Collection[int] | None = None
    unclean_restart: Collection[int] = ()
    """Replicas that may have lost what they had."""
    recovered: bool = False
    """The leader has recovered from an unclean election."""
    election: Election = Election.ANY
    directories: Callable[[int], bytes] | None = None
    """Where a replica's broker keeps it, for the record of other replicas."""


NOTHING = Wish()


def change_partition(
    topic_id: bytes, index: int, old: PartitionImage, rules: Rules, is_active: IsActive, wish: Wish = NOTHING
) -> PartitionChangeRecord | None:
    """The record that brings a partition to what is wanted; None where it is there already."""
    target = Target(
        isr=list(old.isr if wish.isr is None else wish.isr),
        replicas=list(old.replicas if wish.replicas is None else wish.replicas),
        adding=list(old.adding_replicas if wish.adding is None else wish.adding),
        removing=list(old.removing_replicas if wish.removing is None else wish.removing),
        elr=list(old.elr),
        last_known_elr=list(old.last_known_elr),
    )
    _complete_reassignment(target)
    _note_eligible(old, target, rules, wish.unclean_restart)
    leader, unclean = _elect(old, target, rules, is_active, wish.election)
    recovery = SAME_RECOVERY
    if wish.recovered and old.leader_recovery_state == RECOVERING:
        recovery = RECOVERED
    if leader != NO_LEADER and leader not in target.isr:
        if unclean:
            recovery = RECOVERING
        _begin_isr(leader, target, rules, unclean=unclean)
    if leader == NO_LEADER and not target.isr and old.leader != NO_LEADER:
        target.last_known_elr = [old.leader]
    record = _record(topic_id, index, old, target, leader, recovery, wish.directories)
    return None if record == PartitionChangeRecord(partition_id=index, topic_id=topic_id) else record


def _begin_isr(leader: int, target: Target, rules: Rules, *, unclean: bool) -> None:
    """Who was not in sync leads, and is alone in sync."""
    target.elr = [] if unclean else [replica for replica in target.elr if replica != leader]
    if unclean:
        target.last_known_elr = []
    target.isr = [leader]
    if rules.are_enough(target.isr, target.replicas):
        target.elr, target.last_known_elr = [], []  # it commits without the others from now on


def _record(
    topic_id: bytes,
    index: int,
    old: PartitionImage,
    target: Target,
    leader: int,
    recovery: int,
    directories: Callable[[int], bytes] | None,
) -> PartitionChangeRecord:
    """What is another; a leader is named again where a replica is taken off, which a new epoch fences."""
    is_same = list(old.replicas) == target.replicas
    fenced_off = bool(set(old.replicas) - set(target.replicas))
    places = None if is_same or directories is None else [directories(replica) for replica in target.replicas]
    return PartitionChangeRecord(
        partition_id=index,
        topic_id=topic_id,
        isr=_changed(old.isr, target.isr),
        leader=leader if leader != old.leader or fenced_off else SAME_LEADER,
        replicas=_changed(old.replicas, target.replicas),
        removing_replicas=_changed(old.removing_replicas, target.removing),
        adding_replicas=_changed(old.adding_replicas, target.adding),
        leader_recovery_state=recovery,
        eligible_leader_replicas=_changed(old.elr, target.elr),
        last_known_elr=_changed(old.last_known_elr, target.last_known_elr),
        directories=places,
    )


def _changed(old: tuple[int, ...], new: list[int]) -> list[int] | None:
    return None if tuple(new) == old else new


def _complete_reassignment(target: Target) -> None:
    """Once all that are added are in sync, those that are to go do."""
    if not (target.adding or target.removing):
        return
    staying = [replica for replica in target.replicas if replica not in target.removing]
    in_sync = [replica for replica in target.isr if replica in staying]
    if not staying or not in_sync or not set(target.adding) <= set(target.isr):
        return
    target.replicas, target.isr = staying, in_sync
    target.adding, target.removing = [], []


def _note_eligible(old: PartitionImage, target: Target, rules: Rules, unclean_restart: Collection[int]) -> None:
    if rules.are_enough(target.isr, target.replicas):
        target.elr, target.last_known_elr = [], []
        return
    candidates = dict.fromkeys([*old.elr, *old.isr])
    possible = [replica for replica in candidates if replica not in target.isr and replica in target.replicas]
    target.elr = [replica for replica in possible if replica not in unclean_restart]


def _elect(
    old: PartitionImage, target: Target, rules: Rules, is_active: IsActive, election: Election
) -> tuple[int, bool]:
    """The leader from now on, and whether it may lack what was committed."""

    def may_lead(replica: int) -> bool:
        eligible = target.isr or target.elr
        return replica in eligible and is_active(replica)

    preferred = target.replicas[0]
    if election is Election.PREFERRED and may_lead(preferred):
        return preferred, False
    if old.leader in target.replicas and may_lead(old.leader):
        return old.leader, False
    for replica in target.replicas:
        if may_lead(replica):
            return replica, False
    if not target.isr and not target.elr:
        for replica in target.last_known_elr:
            if replica in target.replicas and is_active(replica):
                return replica, True
    if rules.unclean or election is Election.UNCLEAN:
        for replica in target.replicas:
            if is_active(replica):
                return replica, True
    return NO_LEADER, False
