"""How much of a partition a reader has not got yet: in records, in bytes, in seconds.

A broker of Odradek counts it (CountRecords): no marker, no gap and nothing aborted passes for a record. Of other
brokers it is known how many offsets there are, which is never less; so it is where what would be counted is damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from odradek.cluster.cluster import Cluster
from odradek.cluster.leaders import ask_until_all_answer
from odradek.errors import OdradekError, UnsupportedVersion, broker_error
from odradek.offsets import LATEST, offset_finder
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.count_records import (
    TO_THE_END,
    CountRecordsPartition,
    CountRecordsPartitionResponse,
    CountRecordsRequest,
    CountRecordsResponse,
    CountRecordsTopic,
)
from odradek.protocol.topic_partition import TopicPartition


class Lag(Struct, frozen=True):
    """What lies before a reader of one partition."""

    offset: int
    """Where the reader is: of the record that comes next, or of where it will be."""
    end: int
    """The end of what it may read."""
    records: int
    size_bytes: int | None
    """Of the batches that hold these records; None where the broker does not count."""
    age_s: float | None
    """Of the record that comes next, which has waited for longest; None where there is none, or it is not known."""
    is_counted: bool
    """Else `records` is a number of offsets, of which some may be no records."""


class Span(Struct, frozen=True):
    """What is to be counted."""

    begin: int
    end: int = TO_THE_END
    """The first offset that is not counted; else the end of what may be read."""


async def count_records(
    cluster: Cluster, spans: Mapping[TopicPartition, Span], *, read_committed: bool, timeout_s: float
) -> dict[TopicPartition, Lag]:
    """What there is to read in each span. Raises as `list_offsets`."""
    return await ask_until_all_answer(cluster, spans, partial(_ask_leader, cluster, read_committed), timeout_s)


async def _ask_leader(
    cluster: Cluster, read_committed: bool, leader: int, spans: Mapping[TopicPartition, Span]
) -> dict[TopicPartition, Lag | OdradekError]:
    topics: dict[str, list[CountRecordsPartition]] = {}
    for partition, span in spans.items():
        entry = CountRecordsPartition(partition.partition, begin_offset=span.begin, end_offset=span.end)
        topics.setdefault(partition.topic, []).append(entry)
    question = CountRecordsRequest(int(read_committed), [CountRecordsTopic(*each) for each in topics.items()])
    try:
        response = await cluster.request(leader, question, CountRecordsResponse)
    except UnsupportedVersion:
        return await _offsets_instead(cluster, read_committed, leader, spans)
    answers: dict[TopicPartition, Lag | OdradekError] = {}
    uncountable: dict[TopicPartition, Span] = {}
    for topic in response.topics:
        for p in topic.partitions:
            partition = TopicPartition(topic.name, p.partition_index)
            if partition not in spans:
                continue
            if p.error_code == ErrorCode.CORRUPT_MESSAGE:
                uncountable[partition] = spans[partition]
            elif p.error_code:
                answers[partition] = broker_error(p.error_code, str(partition))
            else:
                answers[partition] = _lag(spans[partition], p, response.now_ms)
    if uncountable:
        answers |= await _offsets_instead(cluster, read_committed, leader, uncountable)
    return answers


def _lag(span: Span, counted: CountRecordsPartitionResponse, now_ms: int) -> Lag:
    age_s = None if counted.next_timestamp < 0 else max(0, now_ms - counted.next_timestamp) / 1000
    return Lag(span.begin, counted.end_offset, counted.records, counted.size_bytes, age_s, is_counted=True)


async def _offsets_instead(
    cluster: Cluster, read_committed: bool, leader: int, spans: Mapping[TopicPartition, Span]
) -> dict[TopicPartition, Lag | OdradekError]:
    """As far as a broker knows that does not count."""
    ends = await offset_finder(cluster, read_committed=read_committed)(leader, dict.fromkeys(spans, LATEST))
    answers: dict[TopicPartition, Lag | OdradekError] = {}
    for partition, found in ends.items():
        if isinstance(found, OdradekError):
            answers[partition] = found
        elif partition in spans:
            span = spans[partition]
            end = found.offset if span.end == TO_THE_END else min(span.end, found.offset)
            records = max(0, end - span.begin)
            answers[partition] = Lag(span.begin, found.offset, records, None, None, is_counted=records == 0)
    return answers
