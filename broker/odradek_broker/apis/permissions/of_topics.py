"""Rules about topics, their configurations, and what is told of the cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Struct, structs

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import alter_configs, incremental_alter_configs
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from odradek.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)
from odradek.protocol.messages.create_topics import CreatableTopicResult, CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeletableTopicResult, DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.describe_configs import DescribeConfigsResult
from odradek.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponseTopic,
    TopicRequest,
)
from odradek.protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse, MetadataResponseTopic
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.apis.permissions.asking import Asking
from odradek_broker.apis.permissions.entries import Entries
from odradek_broker.apis.permissions.rules import ERRORS, Rule, Ruling, add, without
from odradek_broker.controller.image import INTERNAL_TOPICS
from odradek_broker.controller.image import ResourceType as ConfigType

DESCRIBE, TOPIC = Operation.DESCRIBE, ResourceType.TOPIC
REFUSED = ErrorCode.TOPIC_AUTHORIZATION_FAILED

# ---------------------------------------------------------------------------------------------------------- metadata

NULL_IS_ALL, IDS_WITHOUT_MEANING = 1, (10, 11)


def metadata(request: MetadataRequest, version: int, asking: Asking) -> Ruling:
    """Of topics that may not be known of, those named are refused, be they there or not; others are left out.

    A topic that is to be made needs that right in addition, of the cluster or of the topic.
    """
    everything = request.topics is None or (version < NULL_IS_ALL and not request.topics)
    if everything or request.topics is None:
        return Ruling(request, partial(_known, request, asking))
    wanted = [(topic, _named(topic, asking)) for topic in request.topics]
    if version in IDS_WITHOUT_MEANING and any(topic.name is None or topic.topic_id != ZERO_UUID for topic, _ in wanted):
        return Ruling(request)  # refused, whatever it is
    permitted, refused = [], []
    for topic, name in wanted:
        if name is not None and not asking.may(DESCRIBE, TOPIC, name):
            shown = topic.name if topic.topic_id == ZERO_UUID else None
            refused.append(MetadataResponseTopic(error_code=REFUSED, name=shown, topic_id=topic.topic_id))
        elif name is not None and _is_to_be_made(name, request, asking) and not _may_make(name, asking):
            refused.append(MetadataResponseTopic(error_code=REFUSED, name=name, is_internal=name in INTERNAL_TOPICS))
        else:
            permitted.append(topic)

    def finish(response: MetadataResponse) -> Any:
        found = response.topics if permitted or not refused else ()
        return _told(request, asking, structs.replace(response, topics=found), refused)

    return Ruling(structs.replace(request, topics=permitted), finish)


def _named(topic: Any, asking: Asking) -> str | None:
    name = topic.name if topic.topic_id == ZERO_UUID else asking.topic_name(topic.topic_id)
    return None if name is None else str(name)


def _is_to_be_made(name: str, request: MetadataRequest, asking: Asking) -> bool:
    return request.allow_auto_topic_creation and asking.makes_topics and not asking.topic_exists(name)


def _may_make(name: str, asking: Asking) -> bool:
    return asking.may_cluster(Operation.CREATE, quietly=True) or asking.may(Operation.CREATE, TOPIC, name)


def _known(request: MetadataRequest, asking: Asking, response: MetadataResponse) -> Any:
    known = [topic for topic in response.topics if topic.name is None or asking.may_know(topic.name)]
    return _told(request, asking, structs.replace(response, topics=known), [])


def _told(
    request: MetadataRequest, asking: Asking, response: MetadataResponse, refused: list[MetadataResponseTopic]
) -> Any:
    """With all that the caller may do, where it is asked for."""
    topics = response.topics
    if request.include_topic_authorized_operations:
        topics = [
            topic
            if topic.name is None
            else structs.replace(topic, topic_authorized_operations=asking.operations(TOPIC, topic.name))
            for topic in topics
        ]
    response = structs.replace(response, topics=[*topics, *refused])
    return _with_cluster_operations(request, asking, response)


def _with_cluster_operations(request: Any, asking: Asking, response: Any) -> Any:
    if not request.include_cluster_authorized_operations:
        return response
    return structs.replace(response, cluster_authorized_operations=asking.cluster_operations())


def operations_of_cluster(request: Any, version: int, asking: Asking) -> Ruling:
    """What may be done with the cluster, where it is asked for; 0 for who may not even know of it."""
    return Ruling(request, partial(_with_cluster_operations, request, asking))


def topic_partitions(request: DescribeTopicPartitionsRequest, version: int, asking: Asking) -> Ruling:
    """As for Metadata. No topics are all of them."""
    names = [topic.name for topic in request.topics] or list(asking.topics)
    permitted = [name for name in names if asking.may(DESCRIBE, TOPIC, name, quietly=not request.topics)]
    hidden = set(names) - set(permitted)
    refused = [
        DescribeTopicPartitionsResponseTopic(error_code=REFUSED, name=name)
        for name in (sorted(hidden) if request.topics else ())
    ]

    def finish(response: Any) -> Any:
        if not permitted:
            return structs.replace(response, topics=refused, next_cursor=None)
        topics = [
            structs.replace(topic, topic_authorized_operations=asking.operations(TOPIC, topic.name))
            for topic in response.topics
        ]
        return structs.replace(response, topics=[*topics, *refused])

    return Ruling(structs.replace(request, topics=[TopicRequest(name) for name in permitted]), finish)


# ------------------------------------------------------------------------------------------------ making and deleting

CREATED = Entries(
    "topics",
    "topics",
    lambda topic, error: CreatableTopicResult(name=topic.name, error_code=error, error_message=error.sentence),
)


def create_topics(request: CreateTopicsRequest, version: int, asking: Asking) -> Ruling:
    """By the right to make topics in the cluster, or that one. Its settings are told to who may know them."""
    counts = Counter(topic.name for topic in request.topics)
    all_of_them = asking.may_cluster(Operation.CREATE, quietly=True)
    permitted, refused = [], []
    for topic in request.topics:
        if all_of_them or counts[topic.name] > 1 or asking.may(Operation.CREATE, TOPIC, topic.name):
            permitted.append(topic)
        else:
            refused.append(CREATED.refuse(topic, REFUSED))
    ruling = without(request, CREATED, permitted, refused)

    def finish(response: Any) -> Any:
        told = [_with_settings(result, asking) for result in response.topics]
        return structs.replace(response, topics=[*told, *refused])

    return Ruling(ruling.request, finish)


def _with_settings(result: CreatableTopicResult, asking: Asking) -> CreatableTopicResult:
    if result.error_code or asking.may(Operation.DESCRIBE_CONFIGS, TOPIC, result.name, quietly=True):
        return result
    return CreatableTopicResult(
        name=result.name,
        topic_id=result.topic_id,
        error_message=result.error_message,
        topic_config_error_code=REFUSED,
    )


DELETES_BY_ID = 6


def delete_topics(request: DeleteTopicsRequest, version: int, asking: Asking) -> Ruling:
    """By the right to delete in the cluster, or that topic. An id tells its name to who may know of the topic."""
    if asking.may_cluster(Operation.DELETE, quietly=True):
        return Ruling(request)
    by_id = version >= DELETES_BY_ID
    wanted = request.topics if by_id else [DeleteTopicState(name=name) for name in request.topic_names]
    permitted, refused = [], []
    for state in wanted:
        refusal = _refused_deletion(state, asking)
        if refusal is None:
            permitted.append(state)
        else:
            refused.append(refusal)
    if not refused:
        return Ruling(request)
    reduced: dict[str, Any] = {"topics": permitted} if by_id else {"topic_names": [each.name for each in permitted]}
    return Ruling(structs.replace(request, **reduced), partial(add, "responses", refused))


def _refused_deletion(state: DeleteTopicState, asking: Asking) -> DeletableTopicResult | None:
    """None where the handler is to see it. Whoever may know of a topic is also told that there is none."""
    if (state.name is None) == (state.topic_id == ZERO_UUID):
        return None  # it names neither, or both
    found = asking.topic_name(state.topic_id) if state.name is None else state.name
    if found is None or asking.may(Operation.DELETE, TOPIC, found):
        return None
    if not asking.may_know(found):
        return DeletableTopicResult(state.name, state.topic_id, REFUSED, REFUSED.sentence)
    return (
        DeletableTopicResult(found, state.topic_id, REFUSED, REFUSED.sentence) if asking.topic_exists(found) else None
    )


# ------------------------------------------------------------------------------------------------------ configurations

_OWNERS = {
    ConfigType.TOPIC: TOPIC,
    ConfigType.GROUP: ResourceType.GROUP,
    ConfigType.BROKER: ResourceType.CLUSTER,
    ConfigType.BROKER_LOGGER: ResourceType.CLUSTER,
    ConfigType.CLIENT_METRICS: ResourceType.CLUSTER,
}
"""Whose operations count for which configuration; for unknown ones nobody's: the handler refuses them."""


def configs(operation: Operation, answered: str, result: Callable[..., Struct]) -> Rule:
    """Of each resource by itself. One that is named twice is refused in any case."""
    entries = Entries(
        "resources",
        answered,
        lambda entry, error: result(error, error.sentence, entry.resource_type, entry.resource_name),
        lambda entry, asking: str(entry.resource_name),
    )

    def rule(request: Any, version: int, asking: Asking) -> Ruling:
        counts = Counter((entry.resource_type, entry.resource_name) for entry in request.resources)
        permitted, refused = [], []
        for entry in request.resources:
            owner = _OWNERS.get(entry.resource_type)
            twice = operation != Operation.DESCRIBE_CONFIGS and counts[entry.resource_type, entry.resource_name] > 1
            if owner is None or twice or _may_configure(operation, owner, entry.resource_name, asking):
                permitted.append(entry)
            else:
                refused.append(entries.refuse(entry, ERRORS[owner]))
        return without(request, entries, permitted, refused)

    return rule


def _may_configure(operation: Operation, owner: ResourceType, name: str, asking: Asking) -> bool:
    if owner is ResourceType.CLUSTER:
        return asking.may_cluster(operation)
    return asking.may(operation, owner, name)


describe_configs = configs(Operation.DESCRIBE_CONFIGS, "results", DescribeConfigsResult)
alter_whole_configs = configs(Operation.ALTER_CONFIGS, "responses", alter_configs.AlterConfigsResourceResponse)
alter_some_configs = configs(
    Operation.ALTER_CONFIGS, "responses", incremental_alter_configs.AlterConfigsResourceResponse
)

# ----------------------------------------------------------------------------------------- refused as a whole, in full


def refuse_log_dirs(request: AlterReplicaLogDirsRequest, version: int, error: ErrorCode) -> AlterReplicaLogDirsResponse:
    return AlterReplicaLogDirsResponse(
        results=[
            AlterReplicaLogDirTopicResult(
                topic.name, [AlterReplicaLogDirPartitionResult(index, error) for index in topic.partitions]
            )
            for directory in request.dirs
            for topic in directory.topics
        ]
    )


def refuse_elections(request: ElectLeadersRequest, version: int, error: ErrorCode) -> ElectLeadersResponse:
    return ElectLeadersResponse(
        error_code=error,
        replica_election_results=[
            ReplicaElectionResult(
                topic.topic, [PartitionResult(index, error, error.sentence) for index in topic.partitions]
            )
            for topic in request.topic_partitions or ()
        ],
    )


def refuse_reassignments(
    request: AlterPartitionReassignmentsRequest, version: int, error: ErrorCode
) -> AlterPartitionReassignmentsResponse:
    return AlterPartitionReassignmentsResponse(
        error_code=error,
        error_message=error.sentence,
        responses=[
            ReassignableTopicResponse(
                topic.name,
                [
                    ReassignablePartitionResponse(each.partition_index, error, error.sentence)
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def refuse_credentials(
    request: AlterUserScramCredentialsRequest, version: int, error: ErrorCode
) -> AlterUserScramCredentialsResponse:
    users = dict.fromkeys([each.name for each in request.deletions] + [each.name for each in request.upsertions])
    return AlterUserScramCredentialsResponse(
        results=[AlterUserScramCredentialsResult(user, error, error.sentence) for user in users]
    )
