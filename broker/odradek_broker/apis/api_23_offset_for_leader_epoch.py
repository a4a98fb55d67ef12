"""OffsetForLeaderEpoch (API key 23), versions 2-4: say where a leader epoch ends in the leader's log (KIP-101).

Behaviour
    The largest known epoch at or below the one asked for, and where it ends; -1 and -1 where there is none.
    The present epoch ends at the log's end, also for a consumer. It must not be told the high watermark: a new leader
    learns late how far the one before had come, and whoever has read further would take that for lost records.
    The client's own leader epoch is checked as in Fetch.
Versions
    3 replica_id    4 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)
from odradek_broker.apis import RequestContext
from odradek_broker.loop.slices import Slices
from odradek_broker.partitions.leader_epochs import check_leader_epoch

REQUEST, VERSIONS = OffsetForLeaderEpochRequest, range(2, 5)


async def handle(request: OffsetForLeaderEpochRequest, context: RequestContext) -> OffsetForLeaderEpochResponse:
    slices, topics = Slices(), []
    for topic in request.topics:
        ends = []
        for one in topic.partitions:
            ends.append(_end(topic.topic, one, context))
            await slices.pay()
        topics.append(OffsetForLeaderTopicResult(topic.topic, ends))
        await slices.pay()
    return OffsetForLeaderEpochResponse(topics=topics)


def _end(topic: str, wanted: OffsetForLeaderPartition, context: RequestContext) -> EpochEndOffset:
    partition = context.broker.replicas.partition(topic, wanted.partition)
    if isinstance(partition, ErrorCode):
        return EpochEndOffset(partition, wanted.partition)
    error = check_leader_epoch(partition, wanted.current_leader_epoch)
    if error:
        return EpochEndOffset(error, wanted.partition)
    return EpochEndOffset(0, wanted.partition, *partition.log.end_offset_for_epoch(wanted.leader_epoch))
