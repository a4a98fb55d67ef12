"""Every request that asks for a permission, under every single permission: what is refused, named and told.

The world: topics ta and tb, groups ga and gb, transactional ids xa and xb; the permission is always one of what begins
with an a as its second letter. What only begins so, as ta-gone, and tz, are not there. Requests are such that they
change nothing which another one could notice.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, Protocol

import trio
from msgspec import Struct

from odradek.protocol.acl import CLUSTER_NAME, OPERATIONS, Operation, PatternType, Permission, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import (
    add_offsets_to_txn,
    add_partitions_to_txn,
    alter_client_quotas,
    alter_configs,
    alter_partition_reassignments,
    alter_replica_log_dirs,
    alter_share_group_offsets,
    alter_user_scram_credentials,
    consumer_group_describe,
    consumer_group_heartbeat,
    create_acls,
    create_partitions,
    create_topics,
    delete_acls,
    delete_groups,
    delete_records,
    delete_share_group_offsets,
    delete_share_group_state,
    delete_topics,
    describe_acls,
    describe_client_quotas,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_quorum,
    describe_share_group_offsets,
    describe_topic_partitions,
    describe_transactions,
    describe_user_scram_credentials,
    elect_leaders,
    end_txn,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter_configs,
    init_producer_id,
    initialize_share_group_state,
    join_group,
    leave_group,
    list_config_resources,
    list_groups,
    list_offsets,
    list_partition_reassignments,
    list_transactions,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    produce,
    read_share_group_state,
    read_share_group_state_summary,
    share_acknowledge,
    share_fetch,
    share_group_describe,
    share_group_heartbeat,
    sync_group,
    txn_offset_commit,
    unregister_broker,
    update_features,
    write_share_group_state,
    write_txn_markers,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek.protocol.registry import response_class

TOPICS = ("ta", "tb", "tz", "ta-gone")
THERE = ("ta", "tb")
GROUPS = ("ga", "gb")
TRANSACTIONS = ("xa", "xb")
NAMES = {*TOPICS, *GROUPS, *TRANSACTIONS, "ta-new", "tb-new"}

Asked = tuple[Any, int]
"""A request and its version."""

DENIED = {
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}

# ------------------------------------------------------------------------------------------------------------- grants

_RESOURCES = {
    ResourceType.TOPIC: ("ta", PatternType.PREFIXED),
    ResourceType.GROUP: ("ga", PatternType.LITERAL),
    ResourceType.TRANSACTIONAL_ID: ("xa", PatternType.LITERAL),
    ResourceType.CLUSTER: (CLUSTER_NAME, PatternType.LITERAL),
}


def grants() -> Iterator[tuple[str, list[create_acls.AclCreation]]]:
    """None, each operation on each resource, and all of them."""
    yield "nothing", []
    for kind in _RESOURCES:
        for operation in (*OPERATIONS[kind], Operation.ALL):
            yield f"{operation.name} {kind.name}", [grant(operation, kind)]
    yield "everything", [grant(Operation.ALL, kind) for kind in _RESOURCES]


def grant(
    operation: Operation, kind: ResourceType, permission: Permission = Permission.ALLOW
) -> create_acls.AclCreation:
    name, pattern = _RESOURCES[kind]
    return create_acls.AclCreation(kind, name, pattern, "User:ANONYMOUS", "*", operation, permission)


# ----------------------------------------------------------------------------------------------------------- requests


def requests(ids: dict[str, bytes]) -> Iterator[tuple[str, Asked]]:
    """`ids`: of the topics that are there."""
    yield from _of_records(ids)
    yield from _of_groups(ids)
    yield from _of_sharing(ids)
    yield from _of_transactions()
    yield from _of_topics(ids)
    yield from _of_cluster()


def _of_records(ids: dict[str, bytes]) -> Iterator[tuple[str, Asked]]:
    batch = bytes(build_batch([Record(timestamp=1, value=b"v")]))
    data = [produce.PartitionProduceData(0, batch)]
    named = [produce.TopicProduceData(name=name, partition_data=data) for name in TOPICS]
    by_id = [produce.TopicProduceData(topic_id=ids[name], partition_data=data) for name in THERE]
    yield "Produce", (produce.ProduceRequest(None, 1, 5000, named), 9)
    yield "Produce by id", (produce.ProduceRequest(None, 1, 5000, by_id), 13)
    for name in TRANSACTIONS:
        transactional = bytes(
            build_batch(
                [Record(timestamp=1, value=b"v")],
                producer_id=1,
                producer_epoch=0,
                base_sequence=0,
                is_transactional=True,
            )
        )
        entry = [produce.TopicProduceData(name="ta", partition_data=[produce.PartitionProduceData(0, transactional)])]
        yield f"Produce in {name}", (produce.ProduceRequest(name, -1, 5000, entry), 9)
    wanted = [fetch.FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)]
    topics = [fetch.FetchTopic(topic=name, partitions=wanted) for name in TOPICS]
    topics_by_id = [fetch.FetchTopic(topic_id=ids[name], partitions=wanted) for name in THERE]
    yield "Fetch", (fetch.FetchRequest(max_wait_ms=0, min_bytes=1, topics=topics), 11)
    yield "Fetch by id", (fetch.FetchRequest(max_wait_ms=0, min_bytes=1, topics=topics_by_id), 13)
    yield "Fetch of a follower", (fetch.FetchRequest(replica_id=1, max_wait_ms=0, min_bytes=1, topics=topics), 11)
    yield (
        "ListOffsets",
        (
            list_offsets.ListOffsetsRequest(
                -1,
                0,
                [
                    list_offsets.ListOffsetsTopic(name, [list_offsets.ListOffsetsPartition(0, timestamp=-1)])
                    for name in TOPICS
                ],
            ),
            7,
        ),
    )
    yield (
        "DeleteRecords",
        (
            delete_records.DeleteRecordsRequest(
                [
                    delete_records.DeleteRecordsTopic(name, [delete_records.DeleteRecordsPartition(0, 0)])
                    for name in TOPICS
                ],
                1000,
            ),
            2,
        ),
    )
    yield (
        "OffsetForLeaderEpoch",
        (
            offset_for_leader_epoch.OffsetForLeaderEpochRequest(
                -1,
                [
                    offset_for_leader_epoch.OffsetForLeaderTopic(
                        name, [offset_for_leader_epoch.OffsetForLeaderPartition(0, -1, 0)]
                    )
                    for name in TOPICS
                ],
            ),
            4,
        ),
    )
    yield (
        "DescribeProducers",
        (
            describe_producers.DescribeProducersRequest(
                [describe_producers.TopicRequest(name, [0]) for name in TOPICS]
            ),
            0,
        ),
    )


def _of_groups(ids: dict[str, bytes]) -> Iterator[tuple[str, Asked]]:
    for group in GROUPS:
        yield (
            f"OffsetCommit to {group}",
            (
                offset_commit.OffsetCommitRequest(
                    group,
                    topics=[
                        offset_commit.OffsetCommitRequestTopic(
                            name, partitions=[offset_commit.OffsetCommitRequestPartition(0, 1)]
                        )
                        for name in TOPICS
                    ],
                ),
                8,
            ),
        )
        yield (
            f"OffsetFetch of {group}",
            (
                offset_fetch.OffsetFetchRequest(
                    group, [offset_fetch.OffsetFetchRequestTopic(name, [0]) for name in TOPICS]
                ),
                7,
            ),
        )
        yield f"OffsetFetch of all in {group}", (offset_fetch.OffsetFetchRequest(group, None), 7)
        yield (
            f"OffsetFetch v1 of {group}",
            (
                offset_fetch.OffsetFetchRequest(
                    group, [offset_fetch.OffsetFetchRequestTopic(name, [0]) for name in TOPICS]
                ),
                1,
            ),
        )
        yield (
            f"JoinGroup {group}",
            (
                join_group.JoinGroupRequest(
                    group, 10_000, 10_000, "", None, "consumer", [join_group.JoinGroupRequestProtocol("range", b"")]
                ),
                5,
            ),
        )
        yield f"Heartbeat {group}", (heartbeat.HeartbeatRequest(group, 1, "m"), 4)
        yield f"SyncGroup {group}", (sync_group.SyncGroupRequest(group, 1, "m", None, "consumer", "range"), 5)
        yield (
            f"LeaveGroup {group}",
            (leave_group.LeaveGroupRequest(group, members=[leave_group.MemberIdentity("m")]), 5),
        )
        yield (
            f"OffsetDelete in {group}",
            (
                offset_delete.OffsetDeleteRequest(
                    group,
                    [
                        offset_delete.OffsetDeleteRequestTopic(name, [offset_delete.OffsetDeleteRequestPartition(7)])
                        for name in TOPICS
                    ],
                ),
                0,
            ),
        )
    yield (
        "OffsetFetch of both",
        (
            offset_fetch.OffsetFetchRequest(
                groups=[
                    offset_fetch.OffsetFetchRequestGroup(
                        group,
                        topics=[offset_fetch.OffsetFetchRequestTopics(name, partition_indexes=[0]) for name in TOPICS],
                    )
                    for group in GROUPS
                ]
            ),
            9,
        ),
    )
    yield (
        "FindCoordinator of groups",
        (find_coordinator.FindCoordinatorRequest(key_type=0, coordinator_keys=list(GROUPS)), 4),
    )
    yield (
        "FindCoordinator of ids",
        (find_coordinator.FindCoordinatorRequest(key_type=1, coordinator_keys=list(TRANSACTIONS)), 4),
    )
    yield "FindCoordinator v3", (find_coordinator.FindCoordinatorRequest(key="ga", key_type=0), 3)
    for group in GROUPS:
        for topic in ("ta", "tb"):
            yield (
                f"ConsumerGroupHeartbeat {group} {topic}",
                (
                    consumer_group_heartbeat.ConsumerGroupHeartbeatRequest(
                        group, "m" * 22, 7, subscribed_topic_names=[topic]
                    ),
                    0,
                ),
            )
            yield (
                f"ShareGroupHeartbeat {group} {topic}",
                (share_group_heartbeat.ShareGroupHeartbeatRequest(group, "m" * 22, 7, None, [topic]), 1),
            )
    yield "ConsumerGroupDescribe", (consumer_group_describe.ConsumerGroupDescribeRequest(list(GROUPS), True), 0)
    yield "ShareGroupDescribe", (share_group_describe.ShareGroupDescribeRequest(list(GROUPS), True), 1)
    yield (
        "DescribeShareGroupOffsets",
        (
            describe_share_group_offsets.DescribeShareGroupOffsetsRequest(
                [
                    describe_share_group_offsets.DescribeShareGroupOffsetsRequestGroup(
                        group,
                        [
                            describe_share_group_offsets.DescribeShareGroupOffsetsRequestTopic(name, [0])
                            for name in THERE
                        ],
                    )
                    for group in GROUPS
                ]
            ),
            0,
        ),
    )
    for group in GROUPS:
        yield (
            f"AlterShareGroupOffsets in {group}",
            (
                alter_share_group_offsets.AlterShareGroupOffsetsRequest(
                    group,
                    [
                        alter_share_group_offsets.AlterShareGroupOffsetsRequestTopic(
                            name, [alter_share_group_offsets.AlterShareGroupOffsetsRequestPartition(0, 0)]
                        )
                        for name in ("ta-gone", "tb")
                    ],
                ),
                0,
            ),
        )
        yield (
            f"DeleteShareGroupOffsets in {group}",
            (
                delete_share_group_offsets.DeleteShareGroupOffsetsRequest(
                    group,
                    [
                        delete_share_group_offsets.DeleteShareGroupOffsetsRequestTopic(name)
                        for name in ("ta-gone", "tb")
                    ],
                ),
                0,
            ),
        )
    yield "DescribeGroups", (describe_groups.DescribeGroupsRequest(list(GROUPS), True), 5)
    yield "ListGroups", (list_groups.ListGroupsRequest(), 4)
    yield "DeleteGroups", (delete_groups.DeleteGroupsRequest(["ga-gone", "gb-gone"]), 2)


def _of_sharing(ids: dict[str, bytes]) -> Iterator[tuple[str, Asked]]:
    """What is sent by members of share groups, and what brokers send about them, of a group that nobody is in."""
    for group in GROUPS:
        wanted = [share_fetch.FetchTopic(ids[name], [share_fetch.FetchPartition(0)]) for name in THERE]
        yield (
            f"ShareFetch {group}",
            (share_fetch.ShareFetchRequest(group, "m" * 22, 0, 0, 1, max_records=1, batch_size=1, topics=wanted), 1),
        )
        batch = share_acknowledge.AcknowledgementBatch(0, 0, [1])
        done = [
            share_acknowledge.AcknowledgeTopic(ids[name], [share_acknowledge.AcknowledgePartition(0, [batch])])
            for name in THERE
        ]
        yield (
            f"ShareAcknowledge {group}",
            (share_acknowledge.ShareAcknowledgeRequest(group, "m" * 22, 1, False, done), 1),
        )
    topic = ids["ta"]
    for module, kind, data in (
        (initialize_share_group_state, "Initialize", "InitializeStateData"),
        (read_share_group_state, "Read", "ReadStateData"),
        (write_share_group_state, "Write", "WriteStateData"),
        (read_share_group_state_summary, "Read", "ReadStateSummaryData"),
        (delete_share_group_state, "Delete", "DeleteStateData"),
    ):
        name = f"{kind}ShareGroupState" + ("Summary" if "summary" in module.__name__ else "")
        state = getattr(module, data)(topic, [module.PartitionData(0)])
        yield name, (getattr(module, f"{name}Request")("gs", [state]), 0)


def _of_transactions() -> Iterator[tuple[str, Asked]]:
    for name in TRANSACTIONS:
        yield f"InitProducerId {name}", (init_producer_id.InitProducerIdRequest(name, 60_000), 4)
        yield (
            f"AddPartitionsToTxn {name}",
            (
                add_partitions_to_txn.AddPartitionsToTxnRequest(
                    v3_and_below_transactional_id=name,
                    v3_and_below_producer_id=77,
                    v3_and_below_topics=[add_partitions_to_txn.AddPartitionsToTxnTopic(each, [0]) for each in TOPICS],
                ),
                3,
            ),
        )
        yield f"EndTxn {name}", (end_txn.EndTxnRequest(name, 77, 0, True), 3)
        for group in GROUPS:
            yield f"AddOffsetsToTxn {name} {group}", (add_offsets_to_txn.AddOffsetsToTxnRequest(name, 77, 0, group), 3)
            yield (
                f"TxnOffsetCommit {name} {group}",
                (
                    txn_offset_commit.TxnOffsetCommitRequest(
                        name,
                        group,
                        77,
                        0,
                        topics=[
                            txn_offset_commit.TxnOffsetCommitRequestTopic(
                                each, partitions=[txn_offset_commit.TxnOffsetCommitRequestPartition(0, 1)]
                            )
                            for each in TOPICS
                        ],
                    ),
                    3,
                ),
            )
    yield "InitProducerId of nobody", (init_producer_id.InitProducerIdRequest(None, 60_000), 4)
    yield (
        "AddPartitionsToTxn of a broker",
        (
            add_partitions_to_txn.AddPartitionsToTxnRequest(
                [
                    add_partitions_to_txn.AddPartitionsToTxnTransaction(
                        "xa", 77, 0, True, [add_partitions_to_txn.AddPartitionsToTxnTopic("ta", [0])]
                    )
                ]
            ),
            4,
        ),
    )
    markers = [
        write_txn_markers.WritableTxnMarker(77, 0, True, [write_txn_markers.WritableTxnMarkerTopic("ta-gone", [0])], 0)
    ]
    yield "WriteTxnMarkers", (write_txn_markers.WriteTxnMarkersRequest(markers), 1)
    yield "DescribeTransactions", (describe_transactions.DescribeTransactionsRequest(list(TRANSACTIONS)), 0)
    yield "ListTransactions", (list_transactions.ListTransactionsRequest(), 1)


def _of_topics(ids: dict[str, bytes]) -> Iterator[tuple[str, Asked]]:
    named = [metadata.MetadataRequestTopic(name=name) for name in TOPICS]
    by_id = [metadata.MetadataRequestTopic(topic_id=ids[name], name=None) for name in THERE]
    yield "Metadata", (metadata.MetadataRequest(named, False, True, True), 9)
    yield "Metadata v0", (metadata.MetadataRequest([metadata.MetadataRequestTopic(name="tb")]), 0)
    yield "Metadata of all", (metadata.MetadataRequest(None, False, True, True), 9)
    yield "Metadata by id", (metadata.MetadataRequest(by_id, False), 12)
    yield (
        "DescribeTopicPartitions",
        (
            describe_topic_partitions.DescribeTopicPartitionsRequest(
                [describe_topic_partitions.TopicRequest(name) for name in TOPICS]
            ),
            0,
        ),
    )
    yield "DescribeTopicPartitions of all", (describe_topic_partitions.DescribeTopicPartitionsRequest(), 0)
    yield (
        "CreateTopics",
        (
            create_topics.CreateTopicsRequest(
                [create_topics.CreatableTopic(name, 1, 1) for name in ("ta-new", "tb-new", "ta", "tb")], 5000, True
            ),
            5,
        ),
    )
    yield "DeleteTopics", (delete_topics.DeleteTopicsRequest(topic_names=["ta-gone", "tz"], timeout_ms=5000), 5)
    yield (
        "DeleteTopics by id",
        (
            delete_topics.DeleteTopicsRequest([delete_topics.DeleteTopicState(topic_id=b"\x17" * 16)], timeout_ms=5000),
            6,
        ),
    )
    yield (
        "CreatePartitions",
        (
            create_partitions.CreatePartitionsRequest(
                [create_partitions.CreatePartitionsTopic(name, 3, None) for name in TOPICS], 5000, True
            ),
            3,
        ),
    )
    resources = [(2, name) for name in TOPICS] + [(4, "1"), (4, ""), (32, "ga"), (32, "gb")]
    yield (
        "DescribeConfigs",
        (
            describe_configs.DescribeConfigsRequest(
                [describe_configs.DescribeConfigsResource(kind, name, ["retention.ms"]) for kind, name in resources]
            ),
            4,
        ),
    )
    yield (
        "AlterConfigs",
        (
            alter_configs.AlterConfigsRequest(
                [alter_configs.AlterConfigsResource(kind, name) for kind, name in resources], True
            ),
            2,
        ),
    )
    yield (
        "IncrementalAlterConfigs",
        (
            incremental_alter_configs.IncrementalAlterConfigsRequest(
                [
                    incremental_alter_configs.AlterConfigsResource(
                        kind, name, [incremental_alter_configs.AlterableConfig("retention.ms", 1, None)]
                    )
                    for kind, name in [(2, name) for name in TOPICS] + [(4, "1"), (4, "")]
                ],
                True,
            ),
            1,
        ),
    )


def _of_cluster() -> Iterator[tuple[str, Asked]]:
    acl = create_acls.AclCreation(2, "elsewhere", 3, "User:nobody", "*", 3, 3)
    yield "DescribeAcls", (describe_acls.DescribeAclsRequest(1, None, 1, "User:nobody", None, 1, 1), 3)
    yield "CreateAcls", (create_acls.CreateAclsRequest([acl]), 3)
    yield (
        "DeleteAcls",
        (
            delete_acls.DeleteAclsRequest([delete_acls.DeleteAclsFilter(2, "elsewhere", 3, "User:nobody", None, 1, 1)]),
            3,
        ),
    )
    yield (
        "AlterReplicaLogDirs",
        (
            alter_replica_log_dirs.AlterReplicaLogDirsRequest(
                [
                    alter_replica_log_dirs.AlterReplicaLogDir(
                        "/nowhere", [alter_replica_log_dirs.AlterReplicaLogDirTopic("ta-gone", [0])]
                    )
                ]
            ),
            2,
        ),
    )
    yield (
        "DescribeLogDirs",
        (describe_log_dirs.DescribeLogDirsRequest([describe_log_dirs.DescribableLogDirTopic("ta", [0])]), 4),
    )
    yield "ElectLeaders", (elect_leaders.ElectLeadersRequest(0, [elect_leaders.TopicPartitions("ta", [0])], 5000), 2)
    yield (
        "AlterPartitionReassignments",
        (
            alter_partition_reassignments.AlterPartitionReassignmentsRequest(
                5000,
                topics=[
                    alter_partition_reassignments.ReassignableTopic(
                        "ta", [alter_partition_reassignments.ReassignablePartition(0, None)]
                    )
                ],
            ),
            0,
        ),
    )
    yield "ListPartitionReassignments", (list_partition_reassignments.ListPartitionReassignmentsRequest(), 0)
    yield "DescribeClientQuotas", (describe_client_quotas.DescribeClientQuotasRequest(), 1)
    yield (
        "AlterClientQuotas",
        (
            alter_client_quotas.AlterClientQuotasRequest(
                [
                    alter_client_quotas.AlterClientQuotasRequestEntryData(
                        [alter_client_quotas.EntityData("user", "nobody")],
                        [alter_client_quotas.OpData("producer_byte_rate", 1e9, False)],
                    )
                ],
                True,
            ),
            1,
        ),
    )
    yield (
        "DescribeUserScramCredentials",
        (
            describe_user_scram_credentials.DescribeUserScramCredentialsRequest(
                [describe_user_scram_credentials.UserName("nobody")]
            ),
            0,
        ),
    )
    yield (
        "AlterUserScramCredentials",
        (
            alter_user_scram_credentials.AlterUserScramCredentialsRequest(
                [alter_user_scram_credentials.ScramCredentialDeletion("nobody", 1)]
            ),
            0,
        ),
    )
    yield (
        "DescribeQuorum",
        (
            describe_quorum.DescribeQuorumRequest(
                [
                    describe_quorum.DescribeQuorumRequestTopicData(
                        "__cluster_metadata", [describe_quorum.DescribeQuorumRequestPartitionData(0)]
                    )
                ]
            ),
            1,
        ),
    )
    yield (
        "UpdateFeatures",
        (
            update_features.UpdateFeaturesRequest(5000, [update_features.FeatureUpdateKey("no.such.feature", 1)], True),
            1,
        ),
    )
    yield "DescribeCluster", (describe_cluster.DescribeClusterRequest(True), 1)
    yield "UnregisterBroker", (unregister_broker.UnregisterBrokerRequest(99), 0)
    yield "ListConfigResources", (list_config_resources.ListConfigResourcesRequest(), 1)


# ------------------------------------------------------------------------------------------------------------ answers


def summary(response: Any, ids: dict[str, bytes]) -> dict[str, list[str]]:
    """What of an answer depends on permissions: refusals, by what they speak of; names that are told; operations."""
    denied: set[str] = set()
    told: set[str] = set()
    operations: set[str] = set()
    names = {topic_id: f"id of {name}" for name, topic_id in ids.items()}
    _walk(response, "", names, denied, told, operations)
    found = {"denied": sorted(denied), "told": sorted(told), "operations": sorted(operations)}
    return {kind: values for kind, values in found.items() if values}


def _walk(
    value: Any, within: str, ids: dict[bytes, str], denied: set[str], told: set[str], operations: set[str]
) -> None:
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        own = [name for each in fields.values() if (name := _name(each, ids))]
        own = own or [f"{fields['resource_type']}:{fields['resource_name']}"] if "resource_name" in fields else own
        told.update(name for name in own if name in NAMES or name.startswith("id of"))
        within = next(iter(own), within)
        for name, each in fields.items():
            if name.endswith("error_code") and each in DENIED:
                denied.add(f"{within} {ErrorCode.from_code(each).name}".strip())
            if name.endswith("authorized_operations") and each != -(2**31):
                operations.add(f"{within} {each}".strip())
            _walk(each, within, ids, denied, told, operations)
    elif isinstance(value, list | tuple):
        for each in value:
            _walk(each, within, ids, denied, told, operations)


def _name(value: Any, ids: dict[bytes, str]) -> str | None:
    if isinstance(value, bytes | bytearray | memoryview):
        return ids.get(bytes(value))
    return value if isinstance(value, str) and (value in NAMES or value.endswith("-gone")) else None


Answers = dict[str, dict[str, dict[str, list[str]]]]
"""By permission and request: the summary."""


def by_request(found: Answers) -> dict[str, list[dict[str, Any]]]:
    """The same, shorter: for each request what is answered, and under which permissions."""
    record: dict[str, list[dict[str, Any]]] = {}
    for permission, asked in found.items():
        for request, answer in asked.items():
            outcomes = record.setdefault(request, [])
            same = next((each for each in outcomes if each["answer"] == answer), None)
            if same is None:
                outcomes.append({"under": [permission], "answer": answer})
            else:
                same["under"].append(permission)
    return record


# ------------------------------------------------------------------------------------------------------------- asking


class Answering(Protocol):
    """A connection of User:ANONYMOUS."""

    async def ask(self, request: Any, kind: type[Any], version: int) -> Any: ...


async def make_world(admin: Answering) -> dict[str, bytes]:
    """Topics, groups with an offset each, transactional ids: the topics' ids."""
    topics = [create_topics.CreatableTopic(name, 1, 1) for name in THERE]
    made = await admin.ask(create_topics.CreateTopicsRequest(topics, 10_000), create_topics.CreateTopicsResponse, 7)
    assert not any(topic.error_code for topic in made.topics), made
    for group in GROUPS:
        offsets = [
            offset_commit.OffsetCommitRequestTopic(name, partitions=[offset_commit.OffsetCommitRequestPartition(0, 1)])
            for name in THERE
        ]
        commit = offset_commit.OffsetCommitRequest(group, topics=offsets)
        await _until_done(admin, commit, offset_commit.OffsetCommitResponse, 8)
    for name in TRANSACTIONS:
        request = init_producer_id.InitProducerIdRequest(name, 60_000)
        await _until_done(admin, request, init_producer_id.InitProducerIdResponse, 4)
    return {topic.name: topic.topic_id for topic in made.topics}


async def _until_done(admin: Answering, request: Any, kind: type[Any], version: int) -> None:
    """Coordinators may have to be made first."""
    key = getattr(request, "group_id", None) or request.transactional_id
    find = find_coordinator.FindCoordinatorRequest(
        key_type=0 if hasattr(request, "group_id") else 1, coordinator_keys=[key]
    )
    with trio.fail_after(60):
        while True:
            await admin.ask(find, find_coordinator.FindCoordinatorResponse, 4)
            answer = await admin.ask(request, kind, version)
            if not getattr(answer, "error_code", 0) and not any(
                partition.error_code for topic in getattr(answer, "topics", ()) for partition in topic.partitions
            ):
                return
            await trio.sleep(0.1)


async def answers(
    somebody: Answering, ids: dict[str, bytes], apis: Container[int] = range(1000)
) -> dict[str, dict[str, list[str]]]:
    """Of every request of these APIs: the summary of its answer."""
    return {
        name: summary(await somebody.ask(request, response_class(request.API_KEY), version), ids)
        for name, (request, version) in requests(ids)
        if request.API_KEY in apis
    }
