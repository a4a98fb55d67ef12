"""For each API what it asks for, and how it is refused as a whole: what Kafka 4.4.0 does, but for the last part.

An API that is not here has no handler either. One that asks for nothing, or asks within its handler, has a row without
rules. Where there are several rules, all have to be content; they complete the answer from the last to the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import (
    delete_share_group_state,
    initialize_share_group_state,
    read_share_group_state,
    read_share_group_state_summary,
    write_share_group_state,
)
from odradek.protocol.registry import API_NAMES, OWN_API_NAMES, request_class, response_class
from odradek_broker.apis.permissions import entries as e
from odradek_broker.apis.permissions import of_groups, of_records, of_topics
from odradek_broker.apis.permissions.entries import Entries
from odradek_broker.apis.permissions.rules import (
    Permissions,
    Rule,
    cluster,
    each,
    group,
    hide,
    transactional_id,
    unless,
)
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardRequest,
    ForwardResponse,
    TellMetadataRequest,
    TellMetadataResponse,
)

Do, R = Operation, ResourceType
Refuse: TypeAlias = Callable[[Any, int, ErrorCode], Any]


def by_code(response: type[Any], **fields: Any) -> Refuse:
    """By the error code of the answer itself; with these fields."""

    def refuse(request: Any, version: int, error: ErrorCode) -> Any:
        message = {"error_message": error.sentence} if "error_message" in response.__struct_fields__ else {}
        return response(error_code=error, **message, **fields)

    return refuse


def by_entries(entries: Entries) -> Callable[[type[Any]], Refuse]:
    """Each entry with the same error."""

    def of(response: type[Any]) -> Refuse:
        return lambda request, version, error: response(
            **{entries.answered: [entries.refuse(each, error) for each in getattr(request, entries.asked)]}
        )

    return of


def by(refuse: Refuse) -> Callable[[type[Any]], Refuse]:
    return lambda response: refuse


def _share_state(module: Any, result: str) -> Callable[[type[Any]], Refuse]:
    """Of the APIs that keep the state of share groups."""
    return by_entries(
        e.topics_of_partitions(getattr(module, result), module.PartitionResult, e.by_its_id, answered="results")
    )


_TABLE: dict[str, tuple[Callable[[type[Any]], Refuse], tuple[Rule, ...]]] = {
    "Produce": (by_entries(e.PRODUCE), (of_records.produce,)),
    "Fetch": (by_code, ()),
    "ListOffsets": (by_entries(e.LIST_OFFSETS), (each(e.LIST_OFFSETS, Do.DESCRIBE),)),
    "Metadata": (by_code, (of_topics.metadata,)),
    "OffsetCommit": (by_entries(e.OFFSET_COMMIT), (group(Do.READ), each(e.OFFSET_COMMIT, Do.READ))),
    "OffsetFetch": (by(of_groups.refuse_offset_fetch), (of_groups.offset_fetch,)),
    "FindCoordinator": (by(of_groups.refuse_coordinator), (of_groups.find_coordinator,)),
    "JoinGroup": (by_code, (group(Do.READ),)),
    "Heartbeat": (by_code, (group(Do.READ),)),
    "LeaveGroup": (by_code, (group(Do.READ),)),
    "SyncGroup": (by_code, (group(Do.READ),)),
    "DescribeGroups": (
        by_entries(e.DESCRIBE_GROUPS),
        (each(e.DESCRIBE_GROUPS, Do.DESCRIBE, R.GROUP), of_groups.operations_of_groups),
    ),
    "ListGroups": (
        by_code,
        (unless(Do.DESCRIBE, hide("groups", Do.DESCRIBE, R.GROUP, lambda each: str(each.group_id))),),
    ),
    "SaslHandshake": (by_code, ()),
    "ApiVersions": (by_code, ()),
    "CreateTopics": (by_entries(of_topics.CREATED), (of_topics.create_topics,)),
    "DeleteTopics": (by_code, (of_topics.delete_topics,)),
    "DeleteRecords": (by_entries(e.DELETE_RECORDS), (each(e.DELETE_RECORDS, Do.DELETE),)),
    "InitProducerId": (lambda response: by_code(response, producer_epoch=-1), (of_records.init_producer_id,)),
    "OffsetForLeaderEpoch": (
        by_entries(e.OFFSET_FOR_LEADER_EPOCH),
        (unless(Do.CLUSTER_ACTION, each(e.OFFSET_FOR_LEADER_EPOCH, Do.DESCRIBE)),),
    ),
    "AddPartitionsToTxn": (
        by(of_records.refuse_partitions),
        (of_records.add_partitions(by_brokers=cluster(Do.CLUSTER_ACTION)),),
    ),
    "AddOffsetsToTxn": (by_code, (transactional_id(Do.WRITE), group(Do.READ))),
    "EndTxn": (by_code, (transactional_id(Do.WRITE),)),
    "WriteTxnMarkers": (by_entries(e.WRITE_TXN_MARKERS), (cluster(Do.ALTER, Do.CLUSTER_ACTION),)),
    "TxnOffsetCommit": (
        by_entries(e.TXN_OFFSET_COMMIT),
        (transactional_id(Do.WRITE), group(Do.READ), each(e.TXN_OFFSET_COMMIT, Do.READ)),
    ),
    "DescribeAcls": (by_code, (cluster(Do.DESCRIBE),)),
    "CreateAcls": (by_entries(e.CREATE_ACLS), (cluster(Do.ALTER),)),
    "DeleteAcls": (by_entries(e.DELETE_ACLS), (cluster(Do.ALTER),)),
    "DescribeConfigs": (by_code, (of_topics.describe_configs,)),
    "AlterConfigs": (by_code, (of_topics.alter_whole_configs,)),
    "AlterReplicaLogDirs": (by(of_topics.refuse_log_dirs), (cluster(Do.ALTER),)),
    "DescribeLogDirs": (by_code, (cluster(Do.DESCRIBE),)),
    "SaslAuthenticate": (by_code, ()),
    "CreatePartitions": (by_entries(e.CREATE_PARTITIONS), (each(e.CREATE_PARTITIONS, Do.ALTER),)),
    "CreateDelegationToken": (by_code, ()),
    "RenewDelegationToken": (by_code, ()),
    "ExpireDelegationToken": (by_code, ()),
    "DescribeDelegationToken": (by_code, ()),
    "DeleteGroups": (by_entries(e.DELETE_GROUPS), (each(e.DELETE_GROUPS, Do.DELETE, R.GROUP),)),
    "ElectLeaders": (by(of_topics.refuse_elections), (cluster(Do.ALTER),)),
    "IncrementalAlterConfigs": (by_code, (of_topics.alter_some_configs,)),
    "AlterPartitionReassignments": (by(of_topics.refuse_reassignments), (cluster(Do.ALTER),)),
    "ListPartitionReassignments": (by_code, (cluster(Do.DESCRIBE),)),
    "OffsetDelete": (by_code, (group(Do.DELETE), each(e.OFFSET_DELETE, Do.READ))),
    "DescribeClientQuotas": (lambda response: by_code(response, entries=None), (cluster(Do.DESCRIBE_CONFIGS),)),
    "AlterClientQuotas": (by_entries(e.ALTER_CLIENT_QUOTAS), (cluster(Do.ALTER_CONFIGS),)),
    "DescribeUserScramCredentials": (by_code, (cluster(Do.DESCRIBE),)),
    "AlterUserScramCredentials": (by(of_topics.refuse_credentials), (cluster(Do.ALTER),)),
    "DescribeQuorum": (by_code, (cluster(Do.DESCRIBE),)),
    "UpdateFeatures": (by_code, (cluster(Do.ALTER),)),
    "DescribeCluster": (by_code, (of_topics.operations_of_cluster,)),
    "DescribeProducers": (by_entries(e.DESCRIBE_PRODUCERS), (each(e.DESCRIBE_PRODUCERS, Do.READ),)),
    "UnregisterBroker": (by_code, (cluster(Do.ALTER),)),
    "DescribeTransactions": (
        by_entries(e.DESCRIBE_TRANSACTIONS),
        (each(e.DESCRIBE_TRANSACTIONS, Do.DESCRIBE, R.TRANSACTIONAL_ID), of_records.topics_of_transactions),
    ),
    "ListTransactions": (
        by_code,
        (hide("transaction_states", Do.DESCRIBE, R.TRANSACTIONAL_ID, lambda each: str(each.transactional_id)),),
    ),
    "ConsumerGroupHeartbeat": (by_code, (group(Do.READ), of_groups.subscription)),
    "ConsumerGroupDescribe": (
        by_entries(e.CONSUMER_GROUP_DESCRIBE),
        (
            each(e.CONSUMER_GROUP_DESCRIBE, Do.DESCRIBE, R.GROUP),
            of_groups.topics_of_groups,
            of_groups.operations_of_groups,
        ),
    ),
    "GetTelemetrySubscriptions": (by_code, ()),
    "PushTelemetry": (by_code, ()),
    "ListConfigResources": (by_code, (cluster(Do.DESCRIBE_CONFIGS),)),
    "DescribeTopicPartitions": (by_code, (of_topics.topic_partitions,)),
    "ShareGroupHeartbeat": (by_code, (group(Do.READ), of_groups.subscription)),
    "ShareGroupDescribe": (
        by_entries(e.SHARE_GROUP_DESCRIBE),
        (
            each(e.SHARE_GROUP_DESCRIBE, Do.DESCRIBE, R.GROUP),
            of_groups.topics_of_groups,
            of_groups.operations_of_groups,
        ),
    ),
    "ShareFetch": (by_code, (group(Do.READ), each(e.SHARE_FETCH, Do.READ))),
    "ShareAcknowledge": (by_code, (group(Do.READ), each(e.SHARE_ACKNOWLEDGE, Do.READ))),
    "InitializeShareGroupState": (
        _share_state(initialize_share_group_state, "InitializeStateResult"),
        (cluster(Do.CLUSTER_ACTION),),
    ),
    "ReadShareGroupState": (_share_state(read_share_group_state, "ReadStateResult"), (cluster(Do.CLUSTER_ACTION),)),
    "WriteShareGroupState": (_share_state(write_share_group_state, "WriteStateResult"), (cluster(Do.CLUSTER_ACTION),)),
    "DeleteShareGroupState": (
        _share_state(delete_share_group_state, "DeleteStateResult"),
        (cluster(Do.CLUSTER_ACTION),),
    ),
    "ReadShareGroupStateSummary": (
        _share_state(read_share_group_state_summary, "ReadStateSummaryResult"),
        (cluster(Do.CLUSTER_ACTION),),
    ),
    "DescribeShareGroupOffsets": (by_code, (of_groups.share_offsets,)),
    "AlterShareGroupOffsets": (by_code, (group(Do.READ), each(e.ALTER_SHARE_OFFSETS, Do.READ))),
    "DeleteShareGroupOffsets": (by_code, (group(Do.DELETE), each(e.DELETE_SHARE_OFFSETS, Do.READ))),
    # Odradek's own:
    "CountRecords": (by_entries(e.COUNT_RECORDS), (each(e.COUNT_RECORDS, Do.DESCRIBE),)),
    "DescribeGroupHistory": (by_code, (group(Do.DESCRIBE),)),
    "DescribeLoop": (by_code, (cluster(Do.DESCRIBE),)),
}

_PRIVATE = {
    ForwardRequest: ForwardResponse,
    FollowMetadataRequest: FollowMetadataResponse,
    TellMetadataRequest: TellMetadataResponse,
}
"""Between brokers and controllers only."""


def _permissions() -> dict[type[Any], Permissions]:
    keys = {name: key for key, name in (API_NAMES | OWN_API_NAMES).items()}
    found = {
        request_class(keys[name]): Permissions(rules, refuse(response_class(keys[name])))
        for name, (refuse, rules) in _TABLE.items()
    }
    brokers_only = cluster(Do.CLUSTER_ACTION)
    return found | {request: Permissions((brokers_only,), by_code(response)) for request, response in _PRIVATE.items()}


PERMISSIONS = _permissions()
