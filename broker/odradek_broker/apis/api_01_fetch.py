"""Fetch (API key 1), versions 4-18: read whole record batches from partitions this broker leads.

Behaviour
    Waits until min_bytes have come together over all partitions, or max_wait_ms; answers at once on any error.
    Records are slices of segment files: nothing is read here, the connection sends them from file to socket.
    The first batch of the first partition that has any is answered whole, however small the limits.
    Offset below the log's start or above its end   OFFSET_OUT_OF_RANGE
    Offset between high watermark and end           nothing yet, unless it is a follower who asks
    A follower's offset says what it has: it may raise the high watermark, and bring it back in sync
    A follower below the log's start                OFFSET_OUT_OF_RANGE, with log_start_offset
    Leader epoch older or newer than ours           FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH
    A last fetched epoch that ended before          diverging_epoch, no records (KIP-320)
    A consumer whose rack a follower is in          preferred_read_replica, no records, with a selector (KIP-392)
    A consumer that asks a follower, from v11 on    what the follower knows to be committed; beyond what it has,
                                                    NOT_LEADER_OR_FOLLOWER: only the leader knows what is out of range
    A partition that is named twice                 is read once, as it was named last
    A throttled follower that is not in sync        no records while leader.replication.throttled.rate is used up
    An unknown topic id                             UNKNOWN_TOPIC_ID, with the id
    A topic that may not be read, or a follower     TOPIC_AUTHORIZATION_FAILED
    that is no broker
    Batches that do not read back                   KAFKA_STORAGE_ERROR, and another in-sync replica is to lead; where
                                                    there is none CORRUPT_MESSAGE, for one can only seek past them
    Of many partitions each SLICE is read by itself: others run between them (loop/slices.py)
    Records are never null: librdkafka drops the whole response otherwise (KAFKA-18646)
Versions
    7 sessions (KIP-227)    9 current_leader_epoch    12 flexible, last_fetched_epoch    13 topic ids
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import trio

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from odradek_broker.apis import RequestContext
from odradek_broker.config.coordination_keys import RACK_AWARE
from odradek_broker.loop.slices import SLICE, Slices
from odradek_broker.partitions.fetch import diverging_epoch, elsewhere, read_partition, refused
from odradek_broker.partitions.fetch_sessions import FetchSession, PartitionKey, TopicKey
from odradek_broker.partitions.leader_epochs import check_leader_epoch
from odradek_broker.partitions.partition import Partition
from odradek_broker.replication.selector import preferred_replica

REQUEST, VERSIONS = FetchRequest, range(4, 19)

T = TypeVar("T")

NAMES_AT_ONCE = 10 * SLICE

READ_COMMITTED = 1
FIRST_VERSION_WITH_IDS = 13
FIRST_VERSION_WITH_RACKS = 11


class Wanted(NamedTuple):
    """One partition of a fetch, found or not."""

    key: PartitionKey
    fetch: FetchPartition
    partition: Partition | ErrorCode


class Reading(NamedTuple):
    """What all partitions together have to give at one moment."""

    data: list[tuple[PartitionKey, PartitionData]]
    size_bytes: int
    is_final: bool
    """There is an error or a divergence to be told: no use waiting."""


async def handle(request: FetchRequest, context: RequestContext) -> FetchResponse | None:
    broker = context.broker
    by_id = context.version >= FIRST_VERSION_WITH_IDS
    session = broker.fetch_sessions.begin(request, by_id=by_id, now_ms=broker.clock.monotonic_ms())
    if isinstance(session, ErrorCode):
        return FetchResponse(error_code=session)
    wanted = await _find(request, session, context)
    replica = _replica_id(request)
    if replica >= 0:
        for part in _parts(wanted):
            _note_replica(part, replica, request.replica_state.replica_epoch, context)
            await _after(part)
    reading = None if _has_all(wanted, request) else await _read(wanted, request, context)
    if reading is None or not _is_enough(reading, request, wanted):
        later = await _wait(wanted, request, context, reading)
        if later is None:
            return None
        reading = later
    if replica >= 0:
        _note_answer(reading, wanted, replica, context)
    return await _response(reading, session, request)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Of what is looked at in slices; most fetches are one."""
    if len(items) <= SLICE:
        yield items
        return
    for at in range(0, len(items), SLICE):
        yield items[at : at + SLICE]


async def _after(part: Sequence[T]) -> None:
    if len(part) == SLICE:
        await trio.lowlevel.checkpoint()


def _replica_id(request: FetchRequest) -> int:
    """Of the follower that asks, or -1."""
    return max(request.replica_id, request.replica_state.replica_id)


def _note_replica(wanted: Sequence[Wanted], replica: int, broker_epoch: int, context: RequestContext) -> None:
    """What a follower asks for it does not have yet, and what comes before it has, on stable storage.

    That is so only of what it says about this leader epoch (one that says none counts for nothing), and where its log
    is a beginning of ours: not where both part, nor where it asks for what our log does not reach.
    """
    for _, fetch, partition in wanted:
        if (
            isinstance(partition, Partition)
            and fetch.current_leader_epoch == partition.leader_epoch
            and partition.log.log_start_offset <= fetch.fetch_offset <= partition.log.log_end_offset
            and diverging_epoch(partition, fetch).end_offset < 0
        ):
            partition.replica_fetched(replica, broker_epoch, fetch.fetch_offset, fetch.log_start_offset)
            context.broker.isr_changes.maybe_expand_isr(partition)


def _note_answer(reading: Reading, wanted: list[Wanted], replica: int, context: RequestContext) -> None:
    """What a follower is given and told."""
    for (_, data), (_, _, partition) in zip(reading.data, wanted, strict=True):
        if isinstance(partition, Partition) and partition.leadership is not None and not data.error_code:
            partition.leadership.told(replica, data.high_watermark, data.log_start_offset)
            if partition.throttled_as_leader and data.records is not None:
                broker = context.broker
                rate = broker.config.leader_replication_throttled_rate
                broker.leader_throttle.note(len(data.records), rate, broker.clock.monotonic_ms())


async def _find(request: FetchRequest, session: FetchSession | None, context: RequestContext) -> list[Wanted]:
    if session is not None:
        pairs = list(session.wanted.items())
    else:
        pairs = list((await _named(request, by_id=context.version >= FIRST_VERSION_WITH_IDS)).items())
    return await _found(pairs, request, context)


async def _found(
    pairs: list[tuple[PartitionKey, FetchPartition]], request: FetchRequest, context: RequestContext
) -> list[Wanted]:
    if len(pairs) <= SLICE:
        return _looked_up(pairs, request, context)
    wanted: list[Wanted] = []
    for part in _parts(pairs):
        wanted += _looked_up(part, request, context)
        await _after(part)
    return wanted


def _looked_up(
    pairs: Sequence[tuple[PartitionKey, FetchPartition]], request: FetchRequest, context: RequestContext
) -> list[Wanted]:
    """Permissions are asked for anew whenever partitions are looked at, as one may be taken back: a follower's once, a
    consumer's for each."""
    is_consumer = _replica_id(request) < 0
    if not is_consumer and not context.by_broker:
        return [Wanted(key, fetch, ErrorCode.TOPIC_AUTHORIZATION_FAILED) for key, fetch in pairs]
    return [Wanted(key, fetch, _partition(key, context, is_consumer=is_consumer)) for key, fetch in pairs]


def _partition(key: PartitionKey, context: RequestContext, *, is_consumer: bool) -> Partition | ErrorCode:
    topic, index = key
    name = context.broker.topic_name(topic) if isinstance(topic, bytes) else topic
    if is_consumer and not _may_read(name, context):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if name is None:
        return ErrorCode.UNKNOWN_TOPIC_ID
    from_any = is_consumer and context.version >= FIRST_VERSION_WITH_RACKS
    return context.broker.replicas.partition(name, index, follower_too=from_any)


def _may_read(name: str | None, context: RequestContext) -> bool:
    return name is None or context.may(Operation.READ, ResourceType.TOPIC, name)


async def _named(request: FetchRequest, *, by_id: bool) -> dict[PartitionKey, FetchPartition]:
    """What the request itself names, each partition once."""
    if len(request.topics) == 1 and len(request.topics[0].partitions) <= SLICE:
        topic = request.topics[0]
        only = topic.topic_id if by_id else topic.topic
        return {(only, each.partition): each for each in topic.partitions}
    named: dict[PartitionKey, FetchPartition] = {}
    slices = Slices(NAMES_AT_ONCE)
    for topic in request.topics:
        key = topic.topic_id if by_id else topic.topic
        for part in _parts(topic.partitions):
            named.update({(key, each.partition): each for each in part})
            await slices.pay(1 + len(part))
    return named


async def _read(wanted: list[Wanted], request: FetchRequest, context: RequestContext) -> Reading:
    reading = Reading([], 0, False)
    if len(wanted) <= SLICE:
        return _read_on(reading, wanted, request, context)
    for part in _parts(wanted):
        reading = _read_on(reading, part, request, context)
        await _after(part)
    return reading


def _read_on(reading: Reading, wanted: Sequence[Wanted], request: FetchRequest, context: RequestContext) -> Reading:
    """What was read before, and with it what these partitions have."""
    data, size, is_final = reading
    left = min(request.max_bytes, context.broker.context.config.fetch_max_bytes) - size
    committed, replica = request.isolation_level == READ_COMMITTED, _replica_id(request)
    logs = context.broker.replica_logs
    for key, fetch, partition in wanted:
        if isinstance(partition, ErrorCode):
            found = refused(fetch, partition)
        elif (nearer := _nearer_replica(partition, fetch, request, context)) is not None:
            found = elsewhere(partition, fetch, nearer)
        else:
            held_back = replica >= 0 and _is_held_back(partition, replica, context)
            found = read_partition(
                partition,
                fetch,
                0 if held_back else left,
                committed=committed,
                min_one=size == 0 and not held_back,
                is_replica=replica >= 0,
                logs=logs,
            )
        taken = 0 if found.records is None else len(found.records)
        left, size = left - taken, size + taken
        is_final = is_final or _is_final(found, partition, replica)
        data.append((key, found))
    return Reading(data, size, is_final)


def _is_final(found: PartitionData, partition: Partition | ErrorCode, replica: int) -> bool:
    if found.error_code or found.diverging_epoch.epoch >= 0 or found.preferred_read_replica >= 0:
        return True
    return replica >= 0 and isinstance(partition, Partition) and partition.has_news_for(replica, found.high_watermark)


def _nearer_replica(
    partition: Partition, fetch: FetchPartition, request: FetchRequest, context: RequestContext
) -> int | None:
    """Whom a consumer had better ask."""
    broker, leadership = context.broker, partition.leadership
    if leadership is None or not request.rack_id or broker.config.replica_selector_class != RACK_AWARE:
        return None
    if check_leader_epoch(partition, fetch.current_leader_epoch) or diverging_epoch(partition, fetch).epoch >= 0:
        return None
    racks = {each.broker_id: each.rack for each in broker.image.brokers.values() if not each.fenced}
    return preferred_replica(leadership, racks, request.rack_id, fetch.fetch_offset)


def _is_held_back(partition: Partition, replica: int, context: RequestContext) -> bool:
    """A throttled follower that is not in sync has had enough for now."""
    if not partition.throttled_as_leader or partition.leadership is None or replica in partition.leadership.isr:
        return False
    broker = context.broker
    rate = broker.config.leader_replication_throttled_rate
    return broker.leader_throttle.is_exceeded(rate, broker.clock.monotonic_ms())


def _is_enough(reading: Reading, request: FetchRequest, wanted: list[Wanted]) -> bool:
    return reading.is_final or reading.size_bytes >= request.min_bytes or request.max_wait_ms <= 0 or not wanted


def _has_all(wanted: list[Wanted], request: FetchRequest) -> bool:
    """Whether it is a follower that has all there is of one partition, and knows it, so that it need not be looked at
    before there is more. Mostly it is: its asking commits what somebody waits for, who is not to wait for a look too.
    """
    replica = _replica_id(request)
    if len(wanted) != 1 or replica < 0 or request.min_bytes <= 0 or request.max_wait_ms <= 0:
        return False
    _, fetch, partition = wanted[0]
    return (
        isinstance(partition, Partition)
        and partition.leadership is not None
        and partition.log.failed is None
        and fetch.current_leader_epoch == partition.leader_epoch
        and fetch.fetch_offset == partition.log.log_end_offset
        and fetch.last_fetched_epoch == partition.log.epochs.latest
        and not partition.has_news_for(replica, partition.high_watermark)
    )


async def _wait(
    wanted: list[Wanted], request: FetchRequest, context: RequestContext, reading: Reading | None
) -> Reading | None:
    """None where whoever asks has gone before there was enough. `reading`: None where nothing was looked at yet."""
    partitions = [each.partition for each in wanted if isinstance(each.partition, Partition)]
    is_replica, caller = _replica_id(request) >= 0, context.caller
    if caller.is_gone:
        return None
    with trio.move_on_after(request.max_wait_ms / 1000) as caller.waiting:
        while (reading is None or not _is_enough(reading, request, wanted)) and not context.broker.is_stopping:
            event = trio.Event()
            for partition in partitions:
                partition.add_reader(event, replica=is_replica)
            try:
                if len(wanted) > SLICE:  # others have run since these were read
                    reading = await _read(wanted, request, context)
                    if _is_enough(reading, request, wanted):
                        break
                await event.wait()
            finally:
                for partition in partitions:
                    partition.remove_reader(event)
            wanted = await _found([(key, fetch) for key, fetch, _ in wanted], request, context)
            reading = await _read(wanted, request, context)
    caller.waiting = None
    if caller.is_gone:
        return None
    return await _read(wanted, request, context) if reading is None else reading


async def _response(reading: Reading, session: FetchSession | None, request: FetchRequest) -> FetchResponse:
    data = reading.data
    if session is not None:
        is_new = request.session_epoch == 0
        news = []
        for part in _parts(data):
            news += session.take_news(part)
            await _after(part)
        data = data if is_new else news
    if len(data) == 1:
        (((topic, _), found),) = data
        return FetchResponse(session_id=_id_of(session), responses=[_of_topic(topic, [found])])
    topics = []
    for topic, group in itertools.groupby(data, key=lambda pair: pair[0][0]):
        topics.append(_of_topic(topic, [each for _, each in group]))
    return FetchResponse(session_id=_id_of(session), responses=topics)


def _id_of(session: FetchSession | None) -> int:
    return 0 if session is None else session.session_id


def _of_topic(topic: TopicKey, partitions: list[PartitionData]) -> FetchableTopicResponse:
    if isinstance(topic, bytes):
        return FetchableTopicResponse(topic_id=topic, partitions=partitions)
    return FetchableTopicResponse(topic=topic, partitions=partitions)
