"""ShareFetch (API key 78), versions 1-2: acquire records of share partitions, and acknowledge earlier ones (KIP-932).

Behaviour
    What is acknowledged counts first; its outcome is told when it is stored, with the records or without.
    Waits until min_bytes could be acquired over all partitions, or max_wait_ms; answers at once on any error. What then
    is there is acquired: no more records than max_records, but for the rest of a batch (share_acquire_mode 1: none
    but that). Partitions take turns. Only what is committed is given, or with share.isolation.level what is stable.
    Batches are given whole; acquired_records says which of their records are meant.
    A new session (epoch 0) takes the place of an old one, and may acknowledge nothing       INVALID_REQUEST
    Too many sessions                    SHARE_SESSION_LIMIT_REACHED
    No such session, or another epoch    SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH
    The session's last request (epoch -1), or one that renews, acquires nothing
    One that renews, and asks for records                                                    INVALID_REQUEST
    The connection ends                  so do the sessions opened over it
    A group that has no state here       INVALID_REQUEST: its coordinator initializes it when a member joins
    An unknown topic                     UNKNOWN_TOPIC_ID
    One that may not be read any more    TOPIC_AUTHORIZATION_FAILED
    Another broker leads                 NOT_LEADER_OR_FOLLOWER, with the leader
    Of acknowledgements                  as ShareAcknowledge, in acknowledge_error_code
Versions
    2 share_acquire_mode (KIP-1206), is_renew_ack (KIP-1222)
"""

from __future__ import annotations

from functools import partial

import trio

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_fetch import (
    AcquiredRecords,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    ShareFetchableTopicResponse,
    ShareFetchRequest,
    ShareFetchResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.share_fetching import Fetched, ShareFetching
from odradek_broker.apis.share_partitions import Leader, Outcome, acknowledge, endpoints, leader_instead, outcome_of
from odradek_broker.groups.share.member import LONGEST_MEMBER_ID
from odradek_broker.sharing.sessions import FINAL, INITIAL, PartitionKey, SessionKey, ShareSession

REQUEST, VERSIONS = ShareFetchRequest, range(1, 3)
WAITS_FOR_OTHERS = True


async def handle(request: ShareFetchRequest, context: RequestContext) -> ShareFetchResponse:
    sharing = context.broker.sharing
    if not sharing.is_enabled:
        return ShareFetchResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    session = _session(request, context)
    if isinstance(session, ErrorCode):
        return ShareFetchResponse(error_code=session, error_message=session.sentence)
    outcomes = _acknowledge(request, session.key, context)
    fetched: dict[PartitionKey, Fetched] = {}
    if request.share_session_epoch == FINAL:
        sharing.release(session)
    elif not request.is_renew_ack:
        may_read = partial(_may_read, context)
        deadline = trio.current_time() + max(request.max_wait_ms, 0) / 1000
        fetched = await ShareFetching(request, session, context.broker, may_read).fetch(deadline)
    errors = {key: await outcome_of(outcome) for key, outcome in outcomes.items()}
    return _response(request, session, fetched, errors, context)


def _may_read(context: RequestContext, topic_id: bytes) -> bool:
    name = context.broker.image.topic_names.get(topic_id)
    return name is None or context.may(Operation.READ, ResourceType.TOPIC, name)


def _session(request: ShareFetchRequest, context: RequestContext) -> ShareSession | ErrorCode:
    """Which the request belongs to, as it is after it."""
    if not request.group_id or not request.member_id or len(request.member_id) > LONGEST_MEMBER_ID:
        return ErrorCode.INVALID_REQUEST
    if request.is_renew_ack and (request.max_wait_ms or request.min_bytes or request.max_bytes or request.max_records):
        return ErrorCode.INVALID_REQUEST
    is_new, sharing = request.share_session_epoch == INITIAL, context.broker.sharing
    if is_new and any(each.acknowledgement_batches for topic in request.topics for each in topic.partitions):
        return ErrorCode.INVALID_REQUEST
    key = SessionKey(request.group_id, request.member_id)
    most = context.broker.config.group_share_max_share_sessions
    session = sharing.sessions.begin(key, request.share_session_epoch, most)
    if isinstance(session, ErrorCode):
        return session
    if is_new:
        farewells, name = context.caller.on_disconnect, f"share session of {key.member_id} in {key.group_id}"
        farewells[name] = lambda: sharing.connection_lost(session)
        session.on_end = lambda: farewells.pop(name, None)
    session.update(
        ((topic.topic_id, each.partition_index) for topic in request.topics for each in topic.partitions),
        ((topic.topic_id, index) for topic in request.forgotten_topics_data for index in topic.partitions),
    )
    if request.forgotten_topics_data:
        sharing.put_away(key.group_id)
    return session


def _acknowledge(
    request: ShareFetchRequest, session: SessionKey, context: RequestContext
) -> dict[PartitionKey, Outcome]:
    return {
        (topic.topic_id, each.partition_index): acknowledge(
            session,
            (topic.topic_id, each.partition_index),
            each.acknowledgement_batches,
            context,
            may_renew=request.is_renew_ack,
        )
        for topic in request.topics
        for each in topic.partitions
        if each.acknowledgement_batches
    }


def _response(
    request: ShareFetchRequest,
    session: ShareSession,
    fetched: dict[PartitionKey, Fetched],
    errors: dict[PartitionKey, ErrorCode],
    context: RequestContext,
) -> ShareFetchResponse:
    """Of partitions about which there is nothing to say only a new session is told."""
    told = list(session.wanted) if request.share_session_epoch == INITIAL else []
    topics: dict[bytes, list[PartitionData]] = {}
    leaders: list[Leader] = []
    for key in dict.fromkeys([*told, *fetched, *errors]):
        found, acknowledged = fetched.get(key, Fetched()), errors.get(key, ErrorCode.NONE)
        leaders.append(leader_instead(found.error or acknowledged, key, context))
        data = PartitionData(
            partition_index=key[1],
            error_code=found.error,
            error_message=found.error.sentence if found.error else None,
            acknowledge_error_code=acknowledged,
            acknowledge_error_message=acknowledged.sentence if acknowledged else None,
            current_leader=LeaderIdAndEpoch(*leaders[-1]),
            records=found.records,
            acquired_records=[AcquiredRecords(*each) for each in found.acquired],
        )
        topics.setdefault(key[0], []).append(data)
    settings = context.broker.sharing.settings(session.key.group_id)
    return ShareFetchResponse(
        acquisition_lock_timeout_ms=settings.partition.record_lock_duration_ms,
        responses=[ShareFetchableTopicResponse(*each) for each in topics.items()],
        node_endpoints=[NodeEndpoint(*each) for each in endpoints(leaders, context)],
    )
