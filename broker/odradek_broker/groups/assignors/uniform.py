"""uniform: every member has as many partitions as any other, or one more; and nobody gives up what it need not.

    1. Everybody keeps what it has, as far as it still wants the topic.
    2. What nobody has goes to whoever has least, topic by topic; first those of which there is most per subscriber.
    3. As long as a subscriber of a topic has at least two partitions more than another, one of that topic moves.

Where all have subscribed to the same, that yields equal shares with as few moves as can be. Where they have not, a move
may make another possible, so the topics are gone through again until nothing moves, MAX_PASSES times at most.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from odradek_broker.groups.assignors.spec import Assignment, GroupSpec

MAX_PASSES = 16


def assign_uniformly(group: GroupSpec) -> dict[str, Assignment]:
    division = _Division(group)
    topics = division.in_order()
    for topic_id in topics:
        division.give_out(topic_id)
    for _ in range(MAX_PASSES):
        moved = [division.balance(topic_id) for topic_id in topics]
        if not any(moved):
            break
    return division.outcome()


class _Division:
    """Who has what, while it is being worked out. Members are numbers here: their places in the specification."""

    def __init__(self, group: GroupSpec) -> None:
        self._group = group
        self._loads = [0] * len(group.members)
        self._subscribers: dict[bytes, list[int]] = {}
        self._held: dict[bytes, dict[int, list[int]]] = {}
        """By topic: member to the partitions of it that it has."""
        self._free: dict[bytes, list[int]] = {}
        for number, member in enumerate(group.members):
            for topic_id in member.topics:
                self._subscribers.setdefault(topic_id, []).append(number)
        for topic_id in self._subscribers:
            self._keep(topic_id)

    def _keep(self, topic_id: bytes) -> None:
        """A partition that several were meant to have stays with the first of them."""
        held: dict[int, list[int]] = {}
        taken: set[int] = set()
        count = self._group.partition_counts[topic_id]
        for number in self._subscribers[topic_id]:
            before = self._group.members[number].assignment.get(topic_id, frozenset())
            kept = sorted(partition for partition in before - taken if 0 <= partition < count)
            if kept:
                held[number] = kept
                taken.update(kept)
                self._loads[number] += len(kept)
        self._held[topic_id] = held
        self._free[topic_id] = [partition for partition in range(count) if partition not in taken]

    def in_order(self) -> list[bytes]:
        """The topics, first those that are hardest to divide evenly."""
        counts = self._group.partition_counts
        return sorted(
            self._subscribers,
            key=lambda each: (-counts[each] / len(self._subscribers[each]), len(self._subscribers[each]), each),
        )

    def give_out(self, topic_id: bytes) -> None:
        """What nobody has of a topic."""
        least = self._by_load(topic_id)
        for partition in self._free.pop(topic_id):
            load, number = least[0]
            self._give(topic_id, partition, number)
            heapreplace(least, (load + 1, number))

    def balance(self, topic_id: bytes) -> bool:
        """Move partitions of a topic from whoever has most to whoever has least. Whether any was moved."""
        held, loads = self._held[topic_id], self._loads
        least = self._by_load(topic_id)
        most = [(-loads[number], number) for number, partitions in held.items() if partitions]
        heapify(most)
        moved = False
        while most:
            load, giver = heappop(most)
            while loads[least[0][1]] != least[0][0]:
                heapreplace(least, (loads[least[0][1]], least[0][1]))
            taker = least[0][1]
            if -load - loads[taker] < 2:
                break
            partition = held[giver].pop()
            loads[giver] -= 1
            self._give(topic_id, partition, taker)
            if held[giver]:
                heappush(most, (-loads[giver], giver))
            moved = True
        return moved

    def _give(self, topic_id: bytes, partition: int, number: int) -> None:
        self._held[topic_id].setdefault(number, []).append(partition)
        self._loads[number] += 1

    def _by_load(self, topic_id: bytes) -> list[tuple[int, int]]:
        heap = [(self._loads[number], number) for number in self._subscribers[topic_id]]
        heapify(heap)
        return heap

    def outcome(self) -> dict[str, Assignment]:
        shares: dict[str, dict[bytes, frozenset[int]]] = {each.member_id: {} for each in self._group.members}
        for topic_id, held in self._held.items():
            for number, partitions in held.items():
                if partitions:
                    shares[self._group.members[number].member_id][topic_id] = frozenset(partitions)
        return dict(shares)
