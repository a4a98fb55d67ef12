"""ShareAcknowledge (API key 79), versions 1-2: say what became of records of share partitions (KIP-932).

Behaviour
    Each partition is answered by itself, when what is said of it is stored; a fault in it, and nothing of it counts.
    No such session, or another epoch    SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH
    The session's last request           what the member still has is available to others afterwards
    Not acquired by the member           INVALID_RECORD_STATE
    Never acquired, out of order, or of unknown types          INVALID_REQUEST
    Renewal that the request does not announce                 INVALID_REQUEST
    Another broker leads                 NOT_LEADER_OR_FOLLOWER, with the leader
    No group or member, or a long id     INVALID_REQUEST
Versions
    2 is_renew_ack, acquisition_lock_timeout_ms (KIP-1222)
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_acknowledge import (
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    ShareAcknowledgeRequest,
    ShareAcknowledgeResponse,
    ShareAcknowledgeTopicResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.share_partitions import Leader, acknowledge, endpoints, leader_instead, outcome_of
from odradek_broker.groups.share.member import LONGEST_MEMBER_ID
from odradek_broker.sharing.sessions import FINAL, SessionKey

REQUEST, VERSIONS = ShareAcknowledgeRequest, range(1, 3)


async def handle(request: ShareAcknowledgeRequest, context: RequestContext) -> ShareAcknowledgeResponse:
    sharing = context.broker.sharing
    if not sharing.is_enabled:
        return ShareAcknowledgeResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    if not request.group_id or not request.member_id or len(request.member_id) > LONGEST_MEMBER_ID:
        return ShareAcknowledgeResponse(error_code=ErrorCode.INVALID_REQUEST)
    key = SessionKey(request.group_id, request.member_id)
    session = sharing.sessions.go_on(key, request.share_session_epoch)
    if isinstance(session, ErrorCode):
        return ShareAcknowledgeResponse(error_code=session, error_message=session.sentence)
    outcomes = [
        (place, acknowledge(key, place, each.acknowledgement_batches, context, may_renew=request.is_renew_ack))
        for topic in request.topics
        for each in topic.partitions
        for place in [(topic.topic_id, each.partition_index)]
    ]
    if request.share_session_epoch == FINAL:
        sharing.release(session)
    topics: dict[bytes, list[PartitionData]] = {topic.topic_id: [] for topic in request.topics}
    leaders: list[Leader] = []
    for place, outcome in outcomes:
        error = await outcome_of(outcome)
        leaders.append(leader_instead(error, place, context))
        message = error.sentence if error else None
        topics[place[0]].append(PartitionData(place[1], error, message, LeaderIdAndEpoch(*leaders[-1])))
    return ShareAcknowledgeResponse(
        acquisition_lock_timeout_ms=sharing.settings(key.group_id).partition.record_lock_duration_ms,
        responses=[ShareAcknowledgeTopicResponse(*each) for each in topics.items()],
        node_endpoints=[NodeEndpoint(*each) for each in endpoints(leaders, context)],
    )
