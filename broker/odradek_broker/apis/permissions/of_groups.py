"""Rules about groups, their offsets and their coordinators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import structs

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
)
from odradek.protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from odradek_broker.apis.permissions.asking import Asking, NotPermitted
from odradek_broker.apis.permissions.entries import Entries, by_id_or_name, itself
from odradek_broker.apis.permissions.rules import ERRORS, Finish, Ruling, each

GROUP, TRANSACTION, SHARE = 0, 1, 2
"""Types of coordinators' keys."""
MANY_KEYS = 4
MANY_GROUPS, ERROR_OF_ANSWER = 8, 2

REFUSED = ErrorCode.GROUP_AUTHORIZATION_FAILED

# ------------------------------------------------------------------------------------------------------ coordinators

COORDINATORS = Entries(
    "coordinator_keys",
    "coordinators",
    lambda key, error: Coordinator(key, -1, "", -1, error, error.sentence),
    itself,
)


def find_coordinator(request: FindCoordinatorRequest, version: int, asking: Asking) -> Ruling:
    """A share group's coordinator is a broker's affair."""
    if request.key_type == SHARE and not asking.may_cluster(Operation.CLUSTER_ACTION):
        raise NotPermitted(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    kinds = {GROUP: ResourceType.GROUP, TRANSACTION: ResourceType.TRANSACTIONAL_ID}
    kind = kinds.get(request.key_type)
    if kind is None:
        return Ruling(request)
    if version >= MANY_KEYS:
        return each(COORDINATORS, Operation.DESCRIBE, kind)(request, version, asking)
    if not asking.may(Operation.DESCRIBE, kind, request.key):
        raise NotPermitted(ERRORS[kind])
    return Ruling(request)


def refuse_coordinator(request: FindCoordinatorRequest, version: int, error: ErrorCode) -> FindCoordinatorResponse:
    if version >= MANY_KEYS:
        return FindCoordinatorResponse(
            coordinators=[COORDINATORS.refuse(key, error) for key in request.coordinator_keys]
        )
    return FindCoordinatorResponse(error_code=error, error_message=error.sentence, node_id=-1, port=-1)


# ----------------------------------------------------------------------------------------------------------- offsets


def offset_fetch(request: OffsetFetchRequest, version: int, asking: Asking) -> Ruling:
    """A group's offsets, of topics that may be known of: where all are asked for, the others are left out."""
    if version >= MANY_GROUPS:
        return _of_groups(
            request, asking, _offsets, lambda group: OffsetFetchResponseGroup(group.group_id, (), REFUSED)
        )
    if not asking.may(Operation.DESCRIBE, ResourceType.GROUP, request.group_id):
        raise NotPermitted(REFUSED)
    return _offsets(request, asking)


def refuse_offset_fetch(request: OffsetFetchRequest, version: int, error: ErrorCode) -> OffsetFetchResponse:
    answer = OffsetFetchResponse(error_code=error)
    if version >= ERROR_OF_ANSWER:
        return answer
    return structs.replace(answer, topics=[_no_offsets(topic, error) for topic in request.topics or ()])


def _of_groups(
    request: Any,
    asking: Asking,
    rule: Callable[[Any, Asking], Ruling],
    refuse: Callable[[Any], Any],
) -> Ruling:
    """A rule for each group of a request that has several."""
    permitted: list[Any] = []
    finishes: list[Finish | None] = []
    refused = []
    for group in request.groups:
        if asking.may(Operation.DESCRIBE, ResourceType.GROUP, group.group_id):
            ruling = rule(group, asking)
            permitted.append(ruling.request)
            finishes.append(ruling.finish)
        else:
            refused.append(refuse(group))

    def finish(response: Any) -> Any:
        found = zip(response.groups, finishes, strict=True)
        answered = [group if group.error_code or complete is None else complete(group) for group, complete in found]
        return structs.replace(response, groups=[*answered, *refused])

    return Ruling(structs.replace(request, groups=permitted), finish)


def _offsets(group: Any, asking: Asking) -> Ruling:
    if group.topics is not None:
        return each(OFFSETS, Operation.DESCRIBE)(group, 0, asking)
    return Ruling(
        group,
        lambda answer: structs.replace(answer, topics=[each for each in answer.topics if asking.may_know(each.name)]),
    )


def _no_offsets(
    topic: OffsetFetchRequestTopic | OffsetFetchRequestTopics, error: ErrorCode
) -> OffsetFetchResponseTopic | OffsetFetchResponseTopics:
    if isinstance(topic, OffsetFetchRequestTopic):
        old = [OffsetFetchResponsePartition(index, -1, -1, "", error) for index in topic.partition_indexes]
        return OffsetFetchResponseTopic(topic.name, old)
    partitions = [OffsetFetchResponsePartitions(index, -1, -1, "", error) for index in topic.partition_indexes]
    return OffsetFetchResponseTopics(topic.name, topic.topic_id, partitions)


OFFSETS = Entries(
    "topics",
    "topics",
    _no_offsets,
    lambda topic, asking: by_id_or_name(topic, asking) if hasattr(topic, "topic_id") else str(topic.name),
)


def share_offsets(request: Any, version: int, asking: Asking) -> Ruling:
    return _of_groups(
        request,
        asking,
        _share_offsets,
        lambda group: DescribeShareGroupOffsetsResponseGroup(
            group.group_id, error_code=REFUSED, error_message=REFUSED.sentence
        ),
    )


def _share_offsets(group: Any, asking: Asking) -> Ruling:
    if group.topics is not None:
        return each(SHARE_OFFSETS, Operation.DESCRIBE)(group, 0, asking)
    return Ruling(
        group,
        lambda answer: structs.replace(
            answer, topics=[each for each in answer.topics if asking.may_know(each.topic_name)]
        ),
    )


SHARE_OFFSETS = Entries(
    "topics",
    "topics",
    lambda topic, error: DescribeShareGroupOffsetsResponseTopic(
        topic.topic_name,
        partitions=[
            DescribeShareGroupOffsetsResponsePartition(index, error_code=error, error_message=error.sentence)
            for index in topic.partitions
        ],
    ),
    lambda topic, asking: str(topic.topic_name),
)

# ------------------------------------------------------------------------------------------------------- memberships


def subscription(request: Any, version: int, asking: Asking) -> Ruling:
    """Nobody joins a group with a topic that they may not know of."""
    names = dict.fromkeys(request.subscribed_topic_names or ())
    if not all(asking.may(Operation.DESCRIBE, ResourceType.TOPIC, name) for name in names):
        raise NotPermitted(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    return Ruling(request)


def topics_of_groups(request: Any, version: int, asking: Asking) -> Ruling:
    """A group that reads what may not be known of is not described."""
    error = ErrorCode.TOPIC_AUTHORIZATION_FAILED

    def described(group: Any) -> Any:
        if all(asking.may_know(name) for name in _topics_of(group)):
            return group
        return type(group)(error, error.sentence, group.group_id)

    return Ruling(request, lambda answer: structs.replace(answer, groups=[described(each) for each in answer.groups]))


def _topics_of(group: Any) -> set[str]:
    names = {name for member in group.members for name in member.subscribed_topic_names}
    for member in group.members:
        for assignment in (member.assignment, getattr(member, "target_assignment", member.assignment)):
            names.update(topic.topic_name for topic in assignment.topic_partitions)
    return names


def operations_of_groups(request: Any, version: int, asking: Asking) -> Ruling:
    """What may be done with each group, where it is asked for."""
    if not request.include_authorized_operations:
        return Ruling(request)

    def told(group: Any) -> Any:
        if group.error_code:
            return group
        return structs.replace(group, authorized_operations=asking.operations(ResourceType.GROUP, group.group_id))

    return Ruling(request, lambda answer: structs.replace(answer, groups=[told(each) for each in answer.groups]))
