"""Delete topics, by name or by id."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from odradek.protocol.messages.metadata_records import RemoveTopicRecord
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import MetadataImage, TopicImage
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError


def delete_topics(
    image: MetadataImage, request: DeleteTopicsRequest, config: BrokerConfig, version: int
) -> ControllerResult[DeleteTopicsResponse]:
    """Answer each topic of the request, in its order."""
    wanted = request.topics if version >= 6 else [DeleteTopicState(name=name) for name in request.topic_names]
    names = Counter(topic.name for topic in wanted if topic.name is not None)
    ids = Counter(topic.topic_id for topic in wanted if topic.name is None)
    records: list[Struct] = []
    results = []
    removed: set[bytes] = set()
    for state in {(topic.name, topic.topic_id): topic for topic in wanted}.values():
        repeated = names[state.name] > 1 if state.name is not None else ids[state.topic_id] > 1
        try:
            topic = _to_delete(image, state, repeated=repeated)
            if topic.topic_id in removed:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the topic is named more than once in the request")
            if not config.delete_topic_enable:
                code = ErrorCode.TOPIC_DELETION_DISABLED if version >= 3 else ErrorCode.INVALID_REQUEST
                raise ApiError(code, "delete.topic.enable is false")
        except ApiError as refusal:
            results.append(
                DeletableTopicResult(
                    name=state.name,
                    topic_id=state.topic_id,
                    error_code=refusal.error_code,
                    error_message=refusal.message,
                )
            )
            continue
        removed.add(topic.topic_id)
        records.append(RemoveTopicRecord(topic_id=topic.topic_id))
        results.append(DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_message=None))
    return ControllerResult(records, DeleteTopicsResponse(responses=results))


def _to_delete(image: MetadataImage, state: DeleteTopicState, *, repeated: bool) -> TopicImage:
    by_id = state.topic_id != ZERO_UUID
    if state.name is not None and by_id:
        raise ApiError(ErrorCode.INVALID_REQUEST, "a topic may be named by its name or its id, not by both")
    if state.name is None and not by_id:
        raise ApiError(ErrorCode.INVALID_REQUEST, "a topic is named neither by its name nor by its id")
    if repeated:
        raise ApiError(ErrorCode.INVALID_REQUEST, "the topic is named more than once in the request")
    topic = image.topic_by_id(state.topic_id) if state.name is None else image.topics.get(state.name)
    if topic is None and state.name is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID, "there is no topic with this id")
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {state.name}")
    return topic
