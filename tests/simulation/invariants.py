"""What must hold after every event, whatever has happened: seen from outside, over all nodes at once.

S1   one leader for each partition and leader epoch; epochs never fall
S2   the high watermark of a leader never falls, and what it covers is with every replica that may lead next
S3   the same offset and epoch on two replicas: the same batch, and the same batches before it
S4   a leader that was elected cleanly has all that was ever committed
S5   no truncation takes away what was committed
S6   what is acknowledged with acks=all is committed, and what a consumer sees
S7   the sequence numbers of a producer run on without a gap in what is committed
S8   the last stable offset never passes the high watermark
S10  what the controller knows never goes back, is the same everywhere, and is on stable storage before it is told;
     a broker that is fenced does not come into an ISR
     a broker that it has fenced does not lead any more, as far as that one knows: its lease was over before
S11  what was on stable storage is there after a restart; recovering once more, or from the beginning, finds the same

"With" a replica means on its stable storage where log.flush.policy is sync, as here. The sharpest of them is S2: each
replica that the controller counts as in sync, or as eligible to lead, holds all that is committed, at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from replica_view import Batch, ReplicaView
from sim_disk import SimDisk

from odradek_broker.controller.image import MetadataImage, PartitionImage
from odradek_broker.log.log import Log
from odradek_broker.runtime.broker import Broker
from odradek_broker.runtime.partition import Partition

Key: TypeAlias = tuple[bytes, int]
"""Topic id and index."""


class Violated(Exception):
    """An invariant does not hold; the message begins with its name."""


class Committed:
    """All of one partition that was ever committed anywhere."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._sequences: dict[tuple[int, int], int] = {}

    @property
    def end_offset(self) -> int:
        return self.batches[-1].next_offset if self.batches else 0

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        if batch.producer_id >= 0:
            producer = (batch.producer_id, batch.producer_epoch)
            expected = self._sequences.get(producer, 0)
            if batch.base_sequence != expected:
                raise Violated(f"S7: sequence {batch.base_sequence} of producer {producer}, after {expected - 1}")
            self._sequences[producer] = batch.base_sequence + batch.next_offset - batch.base_offset


class Invariants:
    """Tell it what there is after each event; it raises Violated."""

    def __init__(self) -> None:
        self.decided = MetadataImage()
        self.replicas: dict[tuple[int, Key], ReplicaView] = {}
        self.committed: dict[Key, Committed] = {}
        self._leaders: dict[tuple[Key, int], int] = {}
        self._committed_at_end: dict[tuple[Key, int], int] = {}
        """How many batches were committed when a leader epoch was over."""
        self._batches: dict[tuple[Key, int, int], tuple[Batch, Batch | None]] = {}
        self._images: dict[int, MetadataImage] = {}
        self._logs: dict[tuple[int, Key], Log] = {}
        self._seen: dict[tuple[int, Key], tuple[object, ...]] = {}
        self._lost_in_epoch: dict[int, int] = {}

    # ------------------------------------------------------------------------------------------------- what there is

    def look_at_broker(self, node_id: int, disk: SimDisk, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            key = (partition.topic_id, partition.index)
            log, leadership = partition.log, partition.leadership
            seen = (
                log,
                log.log_end_offset,
                log.flushed_offset,
                partition.high_watermark,
                partition.leader_epoch,
                None if leadership is None else leadership.leader_epoch,
                log.epochs.version,
            )
            before = self._seen.get((node_id, key))
            if seen != before and not log.is_closed:
                self._seen[node_id, key] = seen
                self._look_at_partition(node_id, disk, key, partition, before)

    def look_at_lease(self, node_id: int, broker: Broker) -> None:
        known = self.decided.brokers.get(node_id)
        if known is None or not known.fenced or not broker.partitions:
            return
        if known.epoch != broker.controller.broker_epoch:
            return
        for topic, index in broker.partitions:
            if isinstance(broker.partition(topic, index), Partition):
                raise Violated(f"S10: broker {node_id} is fenced, and would answer as the leader of {topic}-{index}")

    def look_at_image(self, image: MetadataImage) -> None:
        """That of a broker."""
        known = self._images.setdefault(image.offset, image)
        if known is not image and known.topics != image.topics:
            raise Violated(f"S10: two nodes know different things of the metadata up to offset {image.offset}")

    def look_at_controller(self, image: MetadataImage, durable_offset: int) -> None:
        if image is self.decided:
            return
        if image.offset >= durable_offset:
            raise Violated(f"S10: metadata offset {image.offset} is told, and only {durable_offset} are synced")
        if image.offset < self.decided.offset:
            raise Violated(f"S10: the metadata went back from offset {self.decided.offset} to {image.offset}")
        old, self.decided = self.decided, image
        self.look_at_image(image)
        for name, topic in image.topics.items():
            for index, partition in topic.partitions.items():
                before = old.partition(name, index)
                if before is not None and before != partition:
                    self._check_change(f"{name}-{index}", before, partition)
                    for epoch in range(before.leader_epoch, partition.leader_epoch):
                        key = (topic.topic_id, index)
                        self._committed_at_end[key, epoch] = len(self._committed(key).batches)
                self._check_those_who_may_lead((topic.topic_id, index))

    def look_at_told(self, topic: str, index: int, offset: int) -> None:
        """A client was told that a record is there: as its writer, with acks=all, or as its reader."""
        committed = self._committed((self.decided.topics[topic].topic_id, index)).end_offset
        if offset >= committed:
            raise Violated(f"S6: a client has heard of offset {offset}, and {committed} are committed")

    def lost(self, node_id: int) -> None:
        """The disk of a node was taken away, with the node down."""
        broker = self.decided.brokers.get(node_id)
        self._lost_in_epoch[node_id] = -1 if broker is None else broker.epoch
        for (node, key), view in self.replicas.items():
            if node == node_id:
                view.is_lost = True
                view.durable_offset = 0
                view.batches.clear()
                self._logs.pop((node, key), None)

    # --------------------------------------------------------------------------------------------------- one replica

    def _look_at_partition(
        self, node_id: int, disk: SimDisk, key: Key, partition: Partition, before: tuple[object, ...] | None
    ) -> None:
        where = f"{partition} on broker {node_id}"
        view = self.replicas.setdefault((node_id, key), ReplicaView())
        log = partition.log
        is_other_life = self._logs.get((node_id, key)) is not log
        if is_other_life:
            self._reopened(node_id, disk, key, view, log, where)
        self._check_cut(where, key, view.cut(log.log_end_offset), is_other_life=is_other_life)
        last = view.batches[-1] if view.batches else None
        for batch in view.read_on(log):
            self._check_matches(where, key, last, batch)
            last = batch
        view.durable_offset = log.flushed_offset
        if before is not None and not is_other_life:
            self._check_order(where, partition, before)
        if partition.last_stable_offset > partition.high_watermark:
            raise Violated(f"S8: {where}")
        if partition.leadership is not None:
            self._look_at_leader(where, node_id, key, partition, view)
        committed = self._committed(key)
        if partition.high_watermark > committed.end_offset:
            raise Violated(f"S2: {where} believes {partition.high_watermark} are committed, not {committed.end_offset}")
        self._check_those_who_may_lead(key)

    def _look_at_leader(self, where: str, node_id: int, key: Key, partition: Partition, view: ReplicaView) -> None:
        committed = self._committed(key)
        if self._leaders.setdefault((key, partition.leader_epoch), node_id) != node_id:
            raise Violated(f"S1: {where} leads in epoch {partition.leader_epoch}, as another does")
        # One that was cut off may hear of its election when others have been elected since, and have gone on.
        elected_with = self._committed_at_end.get((key, partition.leader_epoch), len(committed.batches))
        last = elected_with - 1
        if last >= 0 and (last >= len(view.batches) or view.batches[last] != committed.batches[last]):
            raise Violated(f"S4: {where} leads in epoch {partition.leader_epoch} without all that is committed")
        for number, batch in enumerate(view.batches[elected_with:], elected_with):
            if batch.next_offset > partition.high_watermark:
                break
            if number == len(committed.batches):
                committed.add(batch)
            elif committed.batches[number] != batch:
                raise Violated(f"S2: {where} believes another batch to be committed than {committed.batches[number]}")

    def _check_order(self, where: str, partition: Partition, before: tuple[object, ...]) -> None:
        _, _, _, high_watermark, leader_epoch, led_in, _ = before
        assert isinstance(high_watermark, int)
        assert isinstance(leader_epoch, int)
        if partition.leader_epoch < leader_epoch:
            raise Violated(f"S1: the leader epoch of {where} fell from {leader_epoch} to {partition.leader_epoch}")
        leadership = partition.leadership
        if leadership is not None and leadership.leader_epoch == led_in and partition.high_watermark < high_watermark:
            raise Violated(f"S2: the watermark of {where} fell from {high_watermark} to {partition.high_watermark}")

    def _check_cut(self, where: str, key: Key, gone: list[Batch], *, is_other_life: bool) -> None:
        if gone and not is_other_life and gone[0] in self._committed(key).batches[-1000:]:
            raise Violated(f"S5: {where} cut off offset {gone[0].base_offset}, which is committed")

    def _check_matches(self, where: str, key: Key, before: Batch | None, batch: Batch) -> None:
        known, known_before = self._batches.setdefault((key, batch.base_offset, batch.leader_epoch), (batch, before))
        if known != batch:
            raise Violated(f"S3: {where} has another batch at offset {batch.base_offset} than {known}")
        if known_before != before:
            raise Violated(f"S3: before offset {batch.base_offset} {where} has {before}, not {known_before}")

    # ------------------------------------------------------------------------------------------------- all of a kind

    def _check_those_who_may_lead(self, key: Key) -> None:
        """Whoever may be elected next has all that is committed, for good."""
        name = self.decided.topic_names.get(key[0])
        partition = None if name is None else self.decided.partition(name, key[1])
        committed = self._committed(key).batches
        if partition is None or not committed:
            return
        number = len(committed) - 1
        for node_id in {*partition.isr, *partition.elr}:
            view = self.replicas.get((node_id, key))
            if view is not None and view.is_lost and self._is_still_lost(node_id):
                continue
            if view is None or not view.has(number, committed[number]):
                raise Violated(
                    f"S2: {name}-{key[1]} is committed up to {committed[number].next_offset}, and broker {node_id},"
                    f" which may lead, lacks some of it; in sync are {partition.isr}, eligible {partition.elr}"
                )

    def _is_still_lost(self, node_id: int) -> bool:
        """The controller cannot know yet."""
        broker = self.decided.brokers.get(node_id)
        return broker is not None and broker.epoch == self._lost_in_epoch[node_id]

    def _check_change(self, name: str, old: PartitionImage, new: PartitionImage) -> None:
        if new.leader_epoch < old.leader_epoch or new.partition_epoch <= old.partition_epoch:
            raise Violated(f"S1: the epochs of {name} went from {old} to {new}")
        if new.leader >= 0 and new.leader != old.leader and new.leader_epoch == old.leader_epoch:
            raise Violated(f"S1: {name} has another leader in the same epoch {new.leader_epoch}")
        for node_id in set(new.isr) - set(old.isr):
            broker = self.decided.brokers.get(node_id)
            if broker is None or not broker.is_active:
                raise Violated(f"S10: broker {node_id} came into the ISR of {name} while it was fenced")

    def _committed(self, key: Key) -> Committed:
        return self.committed.setdefault(key, Committed())

    # ------------------------------------------------------------------------------------------------------- restarts

    def _reopened(self, node_id: int, disk: SimDisk, key: Key, view: ReplicaView, log: Log, where: str) -> None:
        first = (node_id, key) not in self._logs
        self._logs[node_id, key] = log
        durable = [batch for batch in view.batches if batch.next_offset <= view.durable_offset]
        view.batches.clear()
        found = view.read_on(log)
        view.is_lost = False
        if not first and found[: len(durable)] != durable:
            raise Violated(f"S11: {where} had {len(durable)} batches on stable storage, and now {len(found)}")
        before = None
        for batch in found:
            self._check_matches(where, key, before, batch)
            before = batch
        if log.recovery is not None:
            check_recovery(log, key[0], disk.copy(log.directory), where)


def check_recovery(log: Log, topic_id: bytes, copy: SimDisk, where: str) -> None:
    """Recover a copy of the disk from its beginning, twice: all that was derived is found again."""
    for _ in range(2):
        again = Log.open(log.directory, copy, log.config, topic_id=topic_id, clean=False, recovery_point=0, now_ms=0)
        for what, ours, theirs in (
            ("end", log.log_end_offset, again.log_end_offset),
            ("epochs", _epochs(log), _epochs(again)),
            ("producers", _producers(log), _producers(again)),
        ):
            if ours != theirs:
                raise Violated(f"S11: recovering {where} again finds {what} {theirs}, not {ours}")


def _epochs(log: Log) -> list[tuple[int, int]]:
    """Those that have batches: one that a leader has only begun need not last."""
    return [(epoch, start) for epoch, start in log.epochs.entries() if start < log.log_end_offset]


def _producers(log: Log) -> list[tuple[int, int, int, int]]:
    return sorted((p.producer_id, p.epoch, p.last_sequence, p.last_offset) for p in log.producers.producers.values())
