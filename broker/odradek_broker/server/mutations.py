"""Holds clients to their quota of changes: partitions that they make and take away (KIP-599).

As long as something is left, a topic is changed, however much that takes. Then, from the version on in which clients
know the error, what comes is refused with THROTTLING_QUOTA_EXCEEDED; older clients are served, and throttled. Each
broker counts what is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopicResult
from odradek.protocol.messages.create_topics import CreatableTopicResult, CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeletableTopicResult, DeleteTopicsRequest, DeleteTopicState
from odradek_broker.apis.permissions.rules import Ruling, add
from odradek_broker.security.quotas import MUTATIONS

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.server.throttling import Throttling, Usage

ERROR = ErrorCode.THROTTLING_QUOTA_EXCEEDED


class Mutation(NamedTuple):
    """How one kind of request changes topics."""

    strict_since: int
    """The version."""
    asked: str
    answered: str
    cost: Callable[[Any, MetadataImage, BrokerConfig], int]
    refused: Callable[[Any], Any]


def _made(topic: Any, image: MetadataImage, config: BrokerConfig) -> int:
    return len(topic.assignments) or (topic.num_partitions if topic.num_partitions > 0 else config.num_partitions)


def _added(topic: Any, image: MetadataImage, config: BrokerConfig) -> int:
    known = image.topics.get(topic.name)
    return 0 if known is None else max(topic.count - len(known.partitions), 0)


def _deleted(state: Any, image: MetadataImage, config: BrokerConfig) -> int:
    known = image.topic_by_id(state.topic_id) if state.name is None else image.topics.get(state.name)
    return 0 if known is None else len(known.partitions)


MUTATIONS_OF: dict[type[Any], Mutation] = {
    CreateTopicsRequest: Mutation(
        6,
        "topics",
        "topics",
        _made,
        lambda topic: CreatableTopicResult(name=topic.name, error_code=ERROR, error_message=ERROR.sentence),
    ),
    CreatePartitionsRequest: Mutation(
        3,
        "topics",
        "results",
        _added,
        lambda topic: CreatePartitionsTopicResult(topic.name, ERROR, ERROR.sentence),
    ),
    DeleteTopicsRequest: Mutation(
        5,
        "topics",
        "responses",
        _deleted,
        lambda state: DeletableTopicResult(state.name, state.topic_id, ERROR, ERROR.sentence),
    ),
}


def admit(
    request: Any,
    version: int,
    usage: Usage,
    throttling: Throttling,
    image: MetadataImage,
    config: BrokerConfig,
    now_ms: int,
) -> Ruling:
    """The request without what is too much now; `usage` learns how long nothing more must be asked."""
    mutation = MUTATIONS_OF.get(type(request))
    if mutation is None or getattr(request, "validate_only", False):
        return Ruling(request)
    found = throttling.bucket_of(MUTATIONS, usage, image, config)
    if found is None:
        return Ruling(request)
    bucket, limit = found
    admitted, refused = [], []
    for entry in _entries(request, mutation):
        if version >= mutation.strict_since and bucket.throttle_ms(limit, now_ms):
            refused.append(mutation.refused(entry))
        else:
            bucket.take(mutation.cost(entry, image, config), limit, now_ms)
            admitted.append(entry)
    usage.throttle_ms = max(usage.throttle_ms, bucket.throttle_ms(limit, now_ms))
    if not refused:
        return Ruling(request)
    return Ruling(_reduced(request, mutation, admitted), partial(add, mutation.answered, refused))


def _entries(request: Any, mutation: Mutation) -> Sequence[Any]:
    """Deletions by name, up to version 5, look as those by id."""
    entries: Sequence[Any] = getattr(request, mutation.asked)
    if isinstance(request, DeleteTopicsRequest) and request.topic_names:
        return [DeleteTopicState(name=name) for name in request.topic_names]
    return entries


def _reduced(request: Any, mutation: Mutation, admitted: Sequence[Any]) -> Any:
    if isinstance(request, DeleteTopicsRequest) and request.topic_names:
        return structs.replace(request, topic_names=[each.name for each in admitted])
    return structs.replace(request, **{mutation.asked: admitted})
