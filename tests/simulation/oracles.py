"""When all is healed: does every replica have what was acknowledged, each record at its offset, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterator

from invariants import Invariants
from ledger import Content, Key, decoded
from scene import Outcome, Scene, Write

from odradek.protocol.records.batch import iter_headers
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.log.log import Log

READ_BYTES = 1 << 30
OTHERS_JUDGE = ("debit", "credit", "copy", "dlq.s0")
"""Of these there is a judge of their own."""


def judge(scene: Scene) -> list[str]:
    """All that is wrong."""
    return [
        *_about_replicas(scene),
        *_about_acknowledged(scene),
        *_about_committed(scene),
        *_about_groups(scene),
    ]


def _about_replicas(scene: Scene) -> Iterator[str]:
    """They hold what is committed, whole; what compaction may take away, only as it may."""
    invariants = scene.world.invariants
    for topic in invariants.decided.topics.values():
        for index, partition in topic.partitions.items():
            key = (topic.topic_id, index)
            committed = invariants.committed.get(key)
            expected = {} if committed is None else _contents(scene, key)
            newest = _newest(expected)
            for node_id in partition.replicas:
                log = _log(scene, node_id, topic.name, index)
                if log is None:
                    yield f"{topic.name}-{index} is not open on broker {node_id}"
                    continue
                found = _records(log)
                where = f"{topic.name}-{index} on broker {node_id}"
                for offset, content in found.items():
                    if expected.get(offset) != content and (committed is None or offset < committed.end_offset):
                        yield f"{where} has {content}, where {expected.get(offset)} is committed"
                compacts = committed is not None and committed.is_compacted
                for offset, content in expected.items():
                    is_newest = content.key is not None and newest[content.key] == offset
                    may_go = compacts and not (is_newest and content.value is not None)
                    if offset >= log.log_start_offset and offset not in found and not may_go:
                        yield f"{where} lacks {content}"
                promised = invariants.promised_start.get(key, 0)
                if log.log_start_offset < promised and not (committed and committed.cuts):
                    yield f"{where} begins at {log.log_start_offset}, not at {promised} as was promised"


def _newest(contents: dict[int, Content]) -> dict[bytes, int]:
    return {content.key: offset for offset, content in sorted(contents.items()) if content.key is not None}


def _about_acknowledged(scene: Scene) -> Iterator[str]:
    """Each record that was acknowledged with acks=all, and whose topic is still there, is at its offset."""
    by_partition = {}
    invariants = scene.world.invariants
    for write in scene.writes:
        place = TopicPartition(write.topic, write.partition)
        key = scene.key_of(place)
        if write.outcome is not Outcome.OK or not write.is_durable or key is None:
            continue
        incarnation = invariants.incarnations[write.topic][-1]
        if write.sent_s < incarnation.born_s:
            continue  # it may have been the topic before, or this one
        if key not in by_partition:
            by_partition[key] = _contents(scene, key)
        found = by_partition[key].get(write.offset)
        if found is not None and found.value == write.value:
            continue
        if invariants.was_in_an_earlier_one(write.topic, write.partition, write.offset, write.value, write.sent_s):
            continue
        if not invariants.committed[key].is_given_up(write.offset, write.done_s):
            yield f"{write} was acknowledged, and {found} is there"


def _about_committed(scene: Scene) -> Iterator[str]:
    """Nothing is there that nobody has sent, that has surely failed, or that is there already."""
    writes: dict[bytes, Write] = {write.value: write for write in scene.writes}
    invariants = scene.world.invariants
    for topic in invariants.decided.topics.values():
        if topic.is_internal or topic.name in OTHERS_JUDGE:
            continue
        places: dict[bytes, tuple[int, int]] = {}
        for index in topic.partitions:
            key = (topic.topic_id, index)
            for offset, content in _contents(scene, key).items():
                write = writes.get(content.value or b"")
                place = (index, offset)
                if write is None or (write.topic, write.partition, write.key) != (topic.name, index, content.key):
                    yield f"{content} is in {topic.name}-{index}, and nobody has sent it there"
                    continue
                if write.outcome is Outcome.FAIL:
                    yield f"{content} is in {topic.name}-{index}, and has failed: {write.error}"
                before = places.get(write.value)
                if write.is_idempotent and before and not _was_forgotten(invariants, key, before, place):
                    yield f"{write.value!r} is in {topic.name} at {places[write.value]} and at {place}"
                places[write.value] = place


def _was_forgotten(invariants: Invariants, key: Key, before: tuple[int, int], again: tuple[int, int]) -> bool:
    """Whether the first was deleted, and whoever took the second had never had it."""
    return before[0] == again[0] and invariants.may_be_there_again(key, before[1], again[1])


def _about_groups(scene: Scene) -> Iterator[str]:
    """What lies before a commit has been handed out to some member."""
    invariants = scene.world.invariants
    for (group, place), offset in scene.commits.items():
        key = scene.key_of(place)
        if (
            place.topic in OTHERS_JUDGE
            or key is None
            or scene.has_lost(place)
            or invariants.committed[key].is_compacted
        ):
            continue
        handed, begins = scene.handed_out[group, place], invariants.may_begin_at.get(key, 0)
        missing = [each for each in _contents(scene, key) if begins <= each < offset and each not in handed]
        if missing:
            yield f"{group} has committed {offset} of {place}, and nobody was given {missing[:5]}"


def _contents(scene: Scene, key: Key) -> dict[int, Content]:
    """All that is committed, by offset, as it was before compaction."""
    invariants = scene.world.invariants
    committed = invariants.committed.get(key)
    batches = [] if committed is None else list(committed.batches)
    return {content.offset: content for batch in batches for content in invariants.contents.of(key, batch)}


def _log(scene: Scene, node_id: int, topic: str, index: int) -> Log | None:
    broker = scene.world.brokers[node_id].broker
    partition = None if broker is None else broker.partitions.get((topic, index))
    return None if partition is None else partition.log


def _records(log: Log) -> dict[int, Content]:
    found, offset = {}, log.log_start_offset
    while (piece := log.read(offset, READ_BYTES)) is not None:
        data = piece.read()
        for content in decoded_all(data):
            if content.offset >= log.log_start_offset:
                found[content.offset] = content
        offset = _end_of(data)
    return found


def decoded_all(data: bytes) -> Iterator[Content]:
    for position, header in iter_headers(data):
        yield from decoded(data[position : position + header.size_bytes])


def _end_of(data: bytes) -> int:
    return max(header.next_offset for _, header in iter_headers(data))
