"""WriteTxnMarkers (API key 27), versions 1-2: end transactions in partitions that this broker leads.

Behaviour
    Coordinators ask. As long as there is no security anybody may; an operator does, to end a transaction that hangs.
    Partitions are answered one by one, when their marker is committed; after COMMIT_SECONDS with REQUEST_TIMED_OUT,
    and it may yet be.
    An older epoch of the producer, or with version 2 a transaction that is the next one    INVALID_PRODUCER_EPOCH
    An older coordinator             TRANSACTION_COORDINATOR_FENCED
    Not on this broker               UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER
Versions
    2 transaction_version (KIP-1228)
"""

from __future__ import annotations

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.coordinators.transaction_markers import PIECES
from odradek_broker.loop.slices import Slices
from odradek_broker.partitions.commits import Commit

REQUEST, VERSIONS = WriteTxnMarkersRequest, range(1, 3)

COMMIT_SECONDS = 5.0

Outcome = Commit | ErrorCode


async def handle(request: WriteTxnMarkersRequest, context: RequestContext) -> WriteTxnMarkersResponse:
    slices, outcomes, commits = Slices(), [], list[Commit]()
    try:
        for marker in request.markers:
            of_topics = []
            for topic in marker.topics:
                of_partitions = []
                for index in topic.partition_indexes:
                    outcome = context.broker.markers.write(topic.name, index, marker)
                    of_partitions.append(outcome)
                    if isinstance(outcome, Commit):
                        commits.append(outcome)
                    await slices.pay(PIECES)
                of_topics.append(of_partitions)
                await slices.pay()
            outcomes.append(of_topics)
            await slices.pay()
        with trio.move_on_after(COMMIT_SECONDS):
            for commit in commits:
                await commit.wait()
    finally:
        for commit in commits:
            commit.leave()
    results = []
    for marker, of_topics in zip(request.markers, outcomes, strict=True):
        results.append(_result(marker, of_topics))
        await slices.pay(1 + sum(len(each) for each in of_topics))
    return WriteTxnMarkersResponse(results)


def _result(marker: WritableTxnMarker, outcomes: list[list[Outcome]]) -> WritableTxnMarkerResult:
    return WritableTxnMarkerResult(
        marker.producer_id,
        [
            WritableTxnMarkerTopicResult(
                topic.name,
                [
                    WritableTxnMarkerPartitionResult(index, _code(outcome))
                    for index, outcome in zip(topic.partition_indexes, partitions, strict=True)
                ],
            )
            for topic, partitions in zip(marker.topics, outcomes, strict=True)
        ],
    )


def _code(outcome: Outcome) -> ErrorCode:
    if not isinstance(outcome, Commit):
        return outcome
    return ErrorCode.REQUEST_TIMED_OUT if outcome.outcome is None else outcome.outcome
