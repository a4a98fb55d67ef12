"""What must hold after every event, whatever has happened: seen from outside, over all nodes at once.

S1   one leader for each partition and leader epoch; epochs never fall
S2   the high watermark of a leader never falls, and what it covers is with every replica that may lead next
S3   the same offset and epoch on two replicas: the same batch, and the same batches before it
S4   a leader that was elected has all that was ever committed; an unclean election is made only where that is allowed,
     or of the last known leader where nobody else may have anything
S5   no truncation takes away what was committed
S6   what a client is told of, as the writer with acks=all or as a reader, is committed: that offset, with that value
S7   the sequence numbers of a producer run on without a gap in what is committed, and nothing is written in an epoch
     that a marker has ended; but where a replica had to begin anew behind all that a producer had written, because the
     rest had been deleted, nothing is known of that producer once it leads
S8   the last stable offset is where the first transaction that is open begins, at the high watermark where none is, and
     never falls under one leader; no leader writes a marker before the decision is committed, and a transaction has
     ended the same way in all its partitions; who reads committed records is given none of a transaction that is open,
     or was aborted
S9   what a group has committed never goes back: whoever asks after a commit was answered is told of that, or of more
S10  what the controller knows never goes back, is the same everywhere, and is on stable storage before it is told;
     a broker that is fenced does not come into an ISR
     a broker that it has fenced does not lead any more, as far as that one knows: its lease was over before, and let in
     again it leads nothing until it has heard of that
S11  what was acknowledged with acks=1 is on its leader's stable storage, where that syncs before it answers;
     what was on stable storage is there after a restart; recovering once more, or from the beginning, finds the same
S12  a log begins no later than somebody has asked for, or than retention or a share coordinator lets it, and whoever
     leads has nothing of what DeleteRecords was said to have taken away
S13  in one generation of a group no two members take the same partition for theirs
S14, S15, S16  what the cores of groups promise (core_watch.py)

"With" a replica means on its stable storage where log.flush.policy is sync, else in its page cache: a power cut is then
the loss of a disk. The sharpest of them is S2: each replica that the controller counts as in sync, or as eligible to
lead, holds all that is committed, at any moment.

Two partitions are the same where their topic's id is, not its name. What compaction leaves of a batch is held against
what the batch was; after an unclean election that was allowed, what its leader lacks is no longer asked for.
"""

from __future__ import annotations

from collections import Counter

import trio
from ledger import Committed, Contents, Key, Violated, decoded
from replica_view import Batch, ReplicaView
from sim_disk import SimDisk
from stability import Ended
from verdicts import Verdicts

from odradek_broker.controller.image import SHARE_TOPIC, TRANSACTION_TOPIC, MetadataImage, PartitionImage
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.log.log import Log
from odradek_broker.node.broker import Broker
from odradek_broker.partitions.partition import Partition

__all__ = ["Invariants", "Key", "Violated"]


class Seen:
    """What was last seen of a partition on a broker."""

    __slots__ = ("compacted_up_to", "fields", "high_watermark", "leader_epoch", "led_in", "log", "rolled_at", "stable")

    def __init__(self, partition: Partition) -> None:
        log, leadership = partition.log, partition.leadership
        self.log = log
        self.high_watermark = partition.high_watermark
        self.stable = partition.last_stable_offset
        self.leader_epoch = partition.leader_epoch
        self.led_in = None if leadership is None else leadership.leader_epoch
        self.rolled_at = log.segments.active.base_offset
        self.compacted_up_to = log.first_dirty_offset
        self.fields = (
            log.log_start_offset,
            log.log_end_offset,
            log.flushed_offset,
            self.high_watermark,
            self.leader_epoch,
            self.led_in,
            self.rolled_at,
            self.compacted_up_to,
            log.epochs.version,
        )


def has_begun_anew(before: Seen, now: Seen, first_base_offset: int) -> bool:
    """Whether a log was emptied to begin elsewhere. Deleting all there is leaves its end where it was."""
    start, end = now.fields[:2]
    return before.log is now.log and start == end == first_base_offset and end != before.fields[1]


HEARD_OF_WITHIN_S = 10.0
"""A leader hears of what the controller has decided, or has no lease any more."""


class Incarnation:
    """One topic of a name: others may follow."""

    def __init__(self, topic_id: bytes, born_s: float) -> None:
        self.topic_id = topic_id
        self.born_s = born_s
        self.died_s: float | None = None

    def lived(self, from_s: float) -> bool:
        return self.died_s is None or self.died_s >= from_s


class Invariants:
    """Tell it what there is after each event; it raises Violated."""

    def __init__(self, *, allows_unclean: bool = False) -> None:
        self.decided = MetadataImage()
        self.replicas: dict[tuple[int, Key], ReplicaView] = {}
        self.committed: dict[Key, Committed] = {}
        self.contents = Contents()
        self.incarnations: dict[str, list[Incarnation]] = {}
        self.happened: Counter[str] = Counter()
        """Rolls, passes of retention and of compaction, elections, by kind."""
        self.may_begin_at: dict[Key, int] = {}
        """The latest offset that somebody has asked the log to begin at, or that it was seen to begin at by right."""
        self.promised_start: dict[Key, int] = {}
        """DeleteRecords that was answered: the log begins there, or later."""
        self._allows_unclean = allows_unclean
        self._leaders: dict[tuple[Key, int], int] = {}
        self._judged_up_to: dict[tuple[Key, int], int] = {}
        """In a leader epoch, up to where what its leader takes to be committed was held against what is."""
        self._last_of: dict[tuple[Key, int], Batch | None] = {}
        """The last batch that was committed when a leader epoch was over."""
        self._batches: dict[tuple[Key, int, int], tuple[Batch, Batch | None]] = {}
        self._fenced_at: dict[int, int] = {}
        """By which metadata offset each broker was fenced last."""
        self._images: dict[int, MetadataImage] = {}
        self._image_of: dict[int, MetadataImage] = {}
        self._logs: dict[tuple[int, Key], Log] = {}
        self._seen: dict[tuple[int, Key], Seen] = {}
        self._begins_anew_at: dict[tuple[int, Key], int] = {}
        """What a replica's log had before is not known to it: it had to be fetched from there on."""
        self._verdicts = Verdicts()
        self._lost_in_epoch: dict[int, int] = {}
        self._damaged_in_epoch: dict[tuple[int, Key], int] = {}

    # ------------------------------------------------------------------------------------------------- what there is

    def look_at_partition(self, node_id: int, disk: SimDisk, partition: Partition, *, syncs: bool) -> None:
        """It may have changed."""
        key = (partition.topic_id, partition.index)
        before, now = self._seen.get((node_id, key)), Seen(partition)
        is_news = before is None or before.log is not now.log or before.fields != now.fields
        if not is_news or partition.log.is_closed:
            return
        self._seen[node_id, key] = now
        if before is not None and has_begun_anew(before, now, partition.log.segments.first.base_offset):
            self._begins_anew_at[node_id, key] = partition.log.log_start_offset
        self._look_at_partition(node_id, disk, key, partition, before, syncs=syncs)
        if before is not None and before.log is now.log:
            self.happened["roll"] += now.rolled_at > before.rolled_at
            self.happened["compaction"] += now.compacted_up_to > before.compacted_up_to

    def look_at_lease(self, node_id: int, broker: Broker) -> None:
        known = self.decided.brokers.get(node_id)
        if known is None or known.epoch != broker.controller.broker_epoch:
            return
        has_heard = broker.controller.image.offset >= self._fenced_at.get(node_id, -1)
        if has_heard and not known.fenced:
            return
        why = "is fenced" if known.fenced else "was fenced and has not heard of it"
        for topic, index in broker.partitions:
            if isinstance(broker.replicas.partition(topic, index), Partition):
                raise Violated(f"S10: broker {node_id} {why}, and would answer as the leader of {topic}-{index}")

    def look_at_image(self, node_id: int, image: MetadataImage) -> None:
        """That of a broker."""
        if self._image_of.get(node_id) is image:
            return
        self._image_of[node_id] = image
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
        for node_id, broker in image.brokers.items():
            was = old.brokers.get(node_id)
            if broker.fenced and was is not None and not was.fenced:
                self._fenced_at[node_id] = image.offset
        self.look_at_image(-1, image)
        self._note_incarnations(old, image)
        for name, topic in image.topics.items():
            known = old.topics.get(name)
            if known is topic:
                continue
            for index, partition in topic.partitions.items():
                before = None if known is None or known.topic_id != topic.topic_id else known.partitions.get(index)
                if before is not None and before != partition:
                    self._changed(f"{name}-{index}", (topic.topic_id, index), before, partition)

    def look_at_told(
        self, topic: str, index: int, offset: int, value: bytes | None, since_s: float, who: str = "a client"
    ) -> None:
        """Somebody was told that a record is there. He has asked at `since_s`, or later."""
        stories = []
        for incarnation in self.incarnations.get(topic, ()):
            if not incarnation.lived(since_s):
                continue
            committed = self._committed((incarnation.topic_id, index))
            if committed.awaits_cut or committed.cuts:
                return
            batch = committed.batches.with_offset(offset)
            if batch is None:
                stories.append(f"{committed.end_offset} are committed")
                continue
            found = self.contents.at((incarnation.topic_id, index), batch, offset)
            if found is not None and found.value == value:
                return
            stories.append(f"{found} is committed there")
        if self.was_in_an_earlier_one(topic, index, offset, value, since_s):
            return
        raise Violated(f"S6: {who} has heard of {value!r} at offset {offset} of {topic}-{index}: {', '.join(stories)}")

    def look_at_stable(self, topic: str, index: int, offset: int, who: str) -> None:
        """Somebody who reads committed records was given this one."""
        committed = self._committed((self.incarnations[topic][-1].topic_id, index))
        batch = committed.batches.with_offset(offset)
        if not committed.is_whole or batch is None or not batch.is_transactional:
            return
        ended = committed.stability.end_of(batch)
        if ended is None or not ended.committed:
            what = "open" if ended is None else "aborted"
            raise Violated(f"S8: {who} was given offset {offset} of {topic}-{index}, whose transaction is {what}")

    def is_whole(self, *topics: str) -> bool:
        """Whether nothing of these was given up, or may have been."""
        known = [self.decided.topics[name] for name in topics if name in self.decided.topics]
        return all(self._committed((topic.topic_id, index)).is_whole for topic in known for index in topic.partitions)

    def was_in_an_earlier_one(self, topic: str, index: int, offset: int, value: bytes | None, since_s: float) -> bool:
        """Whether the record is, just there, in a topic of that name which was deleted not long before.

        Its leader goes on until it hears of that, or its lease is over.
        """
        topic_id = self.topic_of(topic, index, offset, value)
        earlier = self.incarnations.get(topic, ())[:-1]
        return any(each.topic_id == topic_id and each.lived(since_s - HEARD_OF_WITHIN_S) for each in earlier)

    def may_be_there_again(self, key: Key, first: int, again: int) -> bool:
        """Whether who took a record again led with a log that had begun anew between the two, so knew of none."""
        batch = self._committed(key).batches.with_offset(again)
        leader = None if batch is None else self._leaders.get((key, batch.leader_epoch))
        return leader is not None and first < self._begins_anew_at.get((leader, key), 0) <= again

    def topic_of(self, topic: str, index: int, offset: int, value: bytes | None) -> bytes | None:
        """The id of the topic, of all of that name, which has this record there, as committed."""
        for incarnation in reversed(self.incarnations.get(topic, ())):
            key = incarnation.topic_id, index
            batch = self._committed(key).batches.with_offset(offset)
            found = None if batch is None else self.contents.at(key, batch, offset)
            if found is not None and found.value == value:
                return incarnation.topic_id
        return None

    def lost(self, node_id: int) -> None:
        """The disk of a node was taken away, or what it had not synced, with the node down."""
        broker = self.decided.brokers.get(node_id)
        self._lost_in_epoch[node_id] = -1 if broker is None else broker.epoch
        for (node, key), view in self.replicas.items():
            if node == node_id:
                self._forget(node, key, view)
        for topic in self.decided.topics.values():
            for index, partition in topic.partitions.items():
                self._note_void((topic.topic_id, index), partition)

    def damaged(self, node_id: int, key: Key) -> None:
        """Some of what a node had of a partition on stable storage is not what it was, with the node down."""
        self.happened["damaged replica"] += 1
        self._damaged_in_epoch[node_id, key] = self.decided.brokers[node_id].epoch
        view = self.replicas.get((node_id, key))
        if view is not None:
            self._forget(node_id, key, view)
        partition = self._decided_of(key)
        if partition is not None:
            self._note_void(key, partition)

    def others_have(self, node_id: int, key: Key, partition: PartitionImage) -> bool:
        """Whether somebody else who may lead has everything."""
        others = {*partition.isr, *partition.elr} - {node_id}
        return any(not self._has_lost(other, key) for other in others)

    def is_compacted(self, key: Key) -> bool:
        return self._committed(key).is_compacted

    def _forget(self, node_id: int, key: Key, view: ReplicaView) -> None:
        view.is_lost = True
        view.durable_offset = 0
        view.batches.clear()
        self._logs.pop((node_id, key), None)

    def _decided_of(self, key: Key) -> PartitionImage | None:
        name = self.decided.topic_names.get(key[0])
        return None if name is None else self.decided.partition(name, key[1])

    def _note_void(self, key: Key, partition: PartitionImage) -> None:
        """Where all who are known to have it have lost it: the controller cannot know, and trusts them."""
        having = {*partition.isr, *partition.elr} or {*partition.last_known_elr}
        if having and all(self._has_lost(node_id, key) for node_id in having):
            self._committed(key).is_void = True

    def _has_lost(self, node_id: int, key: Key) -> bool:
        view = self.replicas.get((node_id, key))
        return view is not None and view.is_lost

    # --------------------------------------------------------------------------------------------------- one replica

    def _look_at_partition(
        self, node_id: int, disk: SimDisk, key: Key, partition: Partition, before: Seen | None, *, syncs: bool
    ) -> None:
        where = f"{partition} on broker {node_id}"
        view = self.replicas.setdefault((node_id, key), ReplicaView())
        log = partition.log
        committed = self._committed(key)
        committed.is_compacted |= log.config.compacts
        is_other_life = self._logs.get((node_id, key)) is not log
        was_lost = view.is_lost
        if is_other_life:
            self._reopened(node_id, disk, key, view, log, where)
        if not (is_other_life and was_lost):  # else it may have lost its beginning, and may not lead before it has it
            self._check_start(where, key, view, partition)
        gone = view.cut(log.log_start_offset, log.log_end_offset)
        if not is_other_life:
            self._check_cut(where, node_id, key, gone)
        last = view.batches.last
        for batch, data in view.read_on(log):
            self._check_matches(where, key, last, batch, data)
            if batch.is_control and partition.leadership is not None:
                self._marked(where, key, batch)
            last = batch
        view.durable_offset = log.flushed_offset if syncs else log.log_end_offset
        if before is not None and before.log is log:
            self._check_order(where, partition, before)
        if partition.last_stable_offset > partition.high_watermark:
            raise Violated(f"S8: {where}")
        if partition.leadership is not None:
            self._look_at_leader(where, node_id, key, partition, view)
        if partition.high_watermark > committed.end_offset and not (committed.awaits_cut or committed.cuts):
            raise Violated(f"S2: {where} believes {partition.high_watermark} are committed, not {committed.end_offset}")
        self._check_those_who_may_lead(key)

    def _look_at_leader(self, where: str, node_id: int, key: Key, partition: Partition, view: ReplicaView) -> None:
        committed, epoch = self._committed(key), partition.leader_epoch
        if self._leaders.setdefault((key, epoch), node_id) != node_id:
            raise Violated(f"S1: {where} leads in epoch {epoch}, as another does")
        if epoch < committed.unclean_epoch:
            return
        if committed.awaits_cut:
            committed.cut_to(lambda batch: view.has(batch, compacted=committed.is_compacted), trio.current_time())
        self._check_promised_start(where, key, partition)
        # One that was cut off may hear of its election when others have been elected since, and have gone on.
        elected_with = self._last_of.get((key, epoch), committed.last)
        if elected_with is not None and not self._is_there(view, elected_with, compacted=committed.is_compacted):
            raise Violated(f"S4: {where} leads in epoch {epoch} without all that is committed, up to {elected_with}")
        after = max(self._judged_up_to.get((key, epoch), 0), 0 if elected_with is None else elected_with.next_offset)
        for batch in view.batches.since(after):
            if batch.next_offset > partition.high_watermark:
                break
            if batch.base_offset >= committed.end_offset:
                unknown_before = self._begins_anew_at.get((node_id, key), 0)
                self._ended(where, committed.add(batch, self.contents.marker(key, batch), unknown_before))
                if partition.topic == TRANSACTION_TOPIC:
                    for record in self.contents.of(key, batch):
                        self._verdicts.decided(record)
            else:
                known = committed.batches.at(batch.base_offset)
                if known != batch and not (committed.is_compacted and known and known.is_of_the_same_write(batch)):
                    raise Violated(f"S2: {where} believes {batch} to be committed, and {known} is")
            after = batch.next_offset
        self._judged_up_to[key, epoch] = after
        self._check_stable(where, committed, partition)

    def _check_stable(self, where: str, committed: Committed, partition: Partition) -> None:
        if committed.cuts or committed.is_compacted or committed.end_offset != partition.high_watermark:
            return
        expected = committed.stability.last_stable_offset(partition.high_watermark)
        if partition.last_stable_offset != expected:
            raise Violated(f"S8: the last stable offset of {where} is {partition.last_stable_offset}, not {expected}")

    def _ended(self, where: str, ended: Ended | None) -> None:
        """What the coordinator itself may have lost, it may decide another way."""
        if ended is not None and ended.is_newer and self.is_whole(TRANSACTION_TOPIC):
            self._verdicts.ended(where, ended)

    def _marked(self, where: str, key: Key, batch: Batch) -> None:
        commits = self.contents.marker(key, batch)
        if commits is not None and self.is_whole(TRANSACTION_TOPIC):
            self._verdicts.marked(where, batch, commits=commits)

    def _check_promised_start(self, where: str, key: Key, partition: Partition) -> None:
        """One that was cut off may go on leading as long as its lease lasts, and knows nothing of what others say."""
        decided, begins = self._decided_of(key), partition.log.log_start_offset
        promised = self.promised_start.get(key, 0)
        if decided is None or partition.leader_epoch < decided.leader_epoch or self._committed(key).cuts:
            return
        if begins < promised:
            raise Violated(f"S12: {where} leads, and begins at {begins}: all before {promised} was said to be gone")

    def _is_there(self, view: ReplicaView, batch: Batch, *, compacted: bool) -> bool:
        if batch.next_offset <= view.start_offset:
            return True
        found = view.batches.at(batch.base_offset)
        if compacted:
            return view.end_offset >= batch.next_offset and (found is None or found.is_of_the_same_write(batch))
        return found == batch

    def _check_order(self, where: str, partition: Partition, before: Seen) -> None:
        if partition.leader_epoch < before.leader_epoch:
            raise Violated(
                f"S1: the leader epoch of {where} fell from {before.leader_epoch} to {partition.leader_epoch}"
            )
        leadership, fell = partition.leadership, partition.high_watermark < before.high_watermark
        if leadership is not None and leadership.leader_epoch == before.led_in and fell:
            raise Violated(
                f"S2: the watermark of {where} fell from {before.high_watermark} to {partition.high_watermark}"
            )
        if fell or leadership is None or leadership.leader_epoch != before.led_in:
            return
        if partition.last_stable_offset < before.stable:
            raise Violated(f"S8: the last stable offset of {where} fell below {before.stable}")

    def _check_cut(self, where: str, node_id: int, key: Key, gone: list[Batch]) -> None:
        """Of those that are cut off only the first can be committed if any is.

        Where an election has lost some, who may not lead may begin anew: compaction may have taken others for those.
        """
        committed, decided = self._committed(key), self._decided_of(key)
        if not gone or committed.awaits_cut:
            return
        if committed.cuts and decided is not None and node_id not in {*decided.isr, *decided.elr}:
            return
        first = gone[0]
        known = committed.batches.at(first.base_offset)
        if known == first or (committed.is_compacted and known is not None and known.is_of_the_same_write(first)):
            raise Violated(f"S5: {where} cut off offset {first.base_offset}, which is committed")

    def _check_start(self, where: str, key: Key, view: ReplicaView, partition: Partition) -> None:
        log = partition.log
        start = log.log_start_offset
        if start <= max(view.start_offset, self.may_begin_at.get(key, 0)):
            return
        self.happened["retention"] += 1
        committed = self._committed(key)
        if start > committed.end_offset and not (committed.awaits_cut or committed.cuts):
            raise Violated(f"S12: {where} begins at {start}, and {committed.end_offset} are committed")
        if partition.topic == SHARE_TOPIC:
            self.may_begin_at[key] = start  # its coordinator deletes what later snapshots have made needless
            return
        if not log.config.deletes or (log.config.retention_bytes < 0 and log.config.retention_ms < 0):
            raise Violated(f"S12: {where} begins at {start}, for which nobody has asked")
        if log.config.retention_ms < 0 and log.size_bytes < log.config.retention_bytes:
            raise Violated(f"S12: {where} begins at {start}, and {log.size_bytes} bytes are left of it")
        self.may_begin_at[key] = start

    def _check_matches(self, where: str, key: Key, before: Batch | None, batch: Batch, data: bytes) -> None:
        place = key, batch.base_offset, batch.leader_epoch
        found = self._batches.get(place)
        if found is None:
            self._batches[place] = batch, before
            self.contents.keep(key, batch, data)
            return
        known, known_before = found
        if self._committed(key).is_compacted:
            if known != batch:
                self._check_is_left_of(where, key, known, batch, data)
            return
        if known != batch:
            raise Violated(f"S3: {where} has another batch at offset {batch.base_offset} than {known}")
        if before is not None and known_before is not None and known_before != before:
            raise Violated(f"S3: before offset {batch.base_offset} {where} has {before}, not {known_before}")

    def _check_is_left_of(self, where: str, key: Key, known: Batch, batch: Batch, data: bytes) -> None:
        """One of the two may have been met first when compaction had been over it."""
        if not known.is_of_the_same_write(batch):
            raise Violated(f"S3: {where} has another batch at offset {batch.base_offset} than {known}")
        ours, theirs = set(decoded(data)), set(self.contents.of(key, known))
        if not (ours <= theirs or theirs <= ours):
            raise Violated(f"S3: {where} has other records at offset {batch.base_offset} than there were")

    # ------------------------------------------------------------------------------------------------- all of a kind

    def _check_those_who_may_lead(self, key: Key) -> None:
        """Whoever may be elected next has all that is committed, for good."""
        name = self.decided.topic_names.get(key[0])
        partition = None if name is None else self.decided.partition(name, key[1])
        committed = self._committed(key)
        last = committed.last
        if partition is None or last is None or committed.awaits_cut:
            return
        for node_id in {*partition.isr, *partition.elr}:
            view = self.replicas.get((node_id, key))
            if self._is_still_lost(node_id, key):
                continue
            if view is None or not view.has(last, compacted=committed.is_compacted):
                raise Violated(
                    f"S2: {name}-{key[1]} is committed up to {last.next_offset}, and broker {node_id},"
                    f" which may lead, lacks some of it: it has {view}; {told(partition)}"
                )
            if view.start_offset > self.may_begin_at.get(key, 0) and not committed.cuts:
                raise Violated(f"S12: broker {node_id}, which may lead {name}-{key[1]}, lacks the beginning: {view}")

    def _is_still_lost(self, node_id: int, key: Key) -> bool:
        """The controller cannot know yet."""
        broker = self.decided.brokers.get(node_id)
        lost_in = self._lost_in_epoch.get(node_id), self._damaged_in_epoch.get((node_id, key))
        return broker is not None and broker.epoch in lost_in

    def _changed(self, name: str, key: Key, old: PartitionImage, new: PartitionImage) -> None:
        """The controller has decided something about a partition."""
        if new.leader_epoch < old.leader_epoch or new.partition_epoch <= old.partition_epoch:
            raise Violated(f"S1: the epochs of {name} went from {old} to {new}")
        if new.leader >= 0 and new.leader != old.leader and new.leader_epoch == old.leader_epoch:
            raise Violated(f"S1: {name} has another leader in the same epoch {new.leader_epoch}")
        for node_id in set(new.isr) - set(old.isr):
            broker = self.decided.brokers.get(node_id)
            if broker is None or not broker.is_active:
                raise Violated(f"S10: broker {node_id} came into the ISR of {name} while it was fenced")
        self._note_void(key, new)
        committed = self._committed(key)
        for epoch in range(old.leader_epoch, new.leader_epoch):
            self._last_of[key, epoch] = committed.last
        # At the end of a reassignment one comes into the ISR and may lead by the same decision: S2 sees what it has.
        # A controller that starts shows several decisions as one, of which the first may have let in whom the second
        # elected; it still says that one of them was unclean.
        were_able = {*old.isr, *old.elr, *old.adding_replicas}
        is_stranger = new.leader >= 0 and new.leader not in were_able and not were_able.intersection(new.isr)
        is_stranger = is_stranger and new.partition_epoch == old.partition_epoch + 1
        is_recovering = new.leader_recovery_state == RECOVERING and new.leader_epoch > old.leader_epoch
        if is_stranger or (is_recovering and (committed.is_void or old.leader_recovery_state != RECOVERING)):
            self._elected_uncleanly(name, committed, old, new)
        for node_id in set(old.replicas) - set(new.replicas):
            view = self.replicas.get((node_id, key))
            if view is not None:
                view.is_given_up = True
        self._check_those_who_may_lead(key)

    def _elected_uncleanly(self, name: str, committed: Committed, old: PartitionImage, new: PartitionImage) -> None:
        if committed.last is not None and not (self._allows_unclean or committed.is_void or committed.awaits_cut):
            if not (old.isr or old.elr) and new.leader in old.last_known_elr:
                return  # it says of itself that it may lack something; by what is known here it has it all, and has to
            raise Violated(f"S4: {name} is led by a broker that was not in sync: {told(old)}, then {told(new)}")
        self.happened["unclean election"] += 1
        committed.awaits_cut = True
        committed.unclean_epoch = new.leader_epoch

    def _note_incarnations(self, old: MetadataImage, new: MetadataImage) -> None:
        for name in {*old.topics, *new.topics}:
            was, now = old.topics.get(name), new.topics.get(name)
            if was is now or (was is not None and now is not None and was.topic_id == now.topic_id):
                continue
            if was is not None and name in self.incarnations:
                self.incarnations[name][-1].died_s = trio.current_time()
            if now is not None:
                self.incarnations.setdefault(name, []).append(Incarnation(now.topic_id, trio.current_time()))

    def _committed(self, key: Key) -> Committed:
        found = self.committed.get(key)
        if found is None:
            found = self.committed[key] = Committed()
        return found

    # ------------------------------------------------------------------------------------------------------- restarts

    def _reopened(self, node_id: int, disk: SimDisk, key: Key, view: ReplicaView, log: Log, where: str) -> None:
        first = (node_id, key) not in self._logs or view.is_given_up
        self._logs[node_id, key] = log
        start = log.log_start_offset
        durable = [
            batch for batch in view.batches if batch.next_offset <= view.durable_offset and batch.next_offset > start
        ]
        known_start = view.start_offset
        view.batches.clear()
        view.start_offset = min(start, known_start)
        found = view.read_on(log)
        view.is_lost = view.is_given_up = False
        compacted = self._committed(key).is_compacted
        if not first:
            for batch in durable:
                again = view.batches.at(batch.base_offset)
                is_left = compacted and (again is None or again.is_of_the_same_write(batch))
                if batch != again and not is_left:
                    raise Violated(f"S11: {where} had {batch} on stable storage, and now {again}")
        before = None
        for batch, data in found:
            self._check_matches(where, key, before, batch, data)
            before = batch
        if log.recovery is not None:
            check_recovery(log, key[0], disk.copy(log.directory), where, compacted=compacted)


def told(partition: PartitionImage) -> str:
    """What matters of it."""
    return (
        f"leader {partition.leader} in epoch {partition.leader_epoch}, replicas {partition.replicas},"
        f" in sync {partition.isr}, eligible {partition.elr}, last known {partition.last_known_elr}"
    )


def check_recovery(log: Log, topic_id: bytes, copy: SimDisk, where: str, *, compacted: bool = False) -> None:
    """Recover a copy of the disk from its beginning, twice: all that was derived is found again.

    But for the epochs of batches that compaction has taken away: only the file of the epochs still had them.
    """
    for _ in range(2):
        again = Log.open(
            log.directory,
            copy,
            log.config,
            topic_id=topic_id,
            clean=False,
            recovery_point=0,
            log_start_offset=log.log_start_offset,
            now_ms=0,
        )
        for what, ours, theirs in (
            ("end", log.log_end_offset, again.log_end_offset),
            ("epochs", _epochs(log), _epochs(again)),
            ("producers", _producers(log), _producers(again)),
        ):
            if ours != theirs and not (what == "epochs" and compacted):
                raise Violated(f"S11: recovering {where} again finds {what} {theirs}, not {ours}")


def _epochs(log: Log) -> list[tuple[int, int]]:
    """Those that have batches: one that a leader has only begun need not last."""
    entries = [(epoch, max(start, log.log_start_offset)) for epoch, start in log.epochs.entries()]
    return [(epoch, start) for epoch, start in entries if start < log.log_end_offset]


def _producers(log: Log) -> list[tuple[int, int, int, int]]:
    return sorted((p.producer_id, p.epoch, p.last_sequence, p.last_offset) for p in log.producers.producers.values())
