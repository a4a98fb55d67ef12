"""How the entries of requests are named, and how each is refused by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import (
    alter_client_quotas,
    alter_share_group_offsets,
    consumer_group_describe,
    count_records,
    create_acls,
    create_partitions,
    delete_acls,
    delete_groups,
    delete_records,
    delete_share_group_offsets,
    describe_groups,
    describe_producers,
    describe_transactions,
    list_offsets,
    offset_commit,
    offset_delete,
    offset_for_leader_epoch,
    produce,
    share_acknowledge,
    share_fetch,
    share_group_describe,
    txn_offset_commit,
    write_txn_markers,
)
from odradek.protocol.schema import ZERO_UUID

if TYPE_CHECKING:
    from odradek_broker.apis.permissions.asking import Asking


class Entries(Struct, frozen=True):
    """Of one kind of request."""

    asked: str
    """The request's field."""
    answered: str
    """The answer's field."""
    refuse: Callable[[Any, ErrorCode], Any]
    """The answer's entry for one that is refused."""
    name: Callable[[Any, Asking], str | None] = lambda entry, asking: str(entry.name)
    """Of the resource; None where there is none to ask for: the handler will say so."""


def by_id_or_name(entry: Any, asking: Asking) -> str | None:
    if entry.topic_id != ZERO_UUID:
        return asking.topic_name(entry.topic_id)
    return entry.name or None


def itself(entry: Any, asking: Asking) -> str:
    return str(entry)


# ------------------------------------------------------------------------------------------------------------- topics


PRODUCE = Entries(
    "topic_data",
    "responses",
    lambda topic, error: produce.TopicProduceResponse(
        topic.name,
        topic.topic_id,
        [
            produce.PartitionProduceResponse(index=each.index, error_code=error, base_offset=-1)
            for each in topic.partition_data
        ],
    ),
    by_id_or_name,
)
LIST_OFFSETS = Entries(
    "topics",
    "topics",
    lambda topic, error: list_offsets.ListOffsetsTopicResponse(
        topic.name,
        [list_offsets.ListOffsetsPartitionResponse(each.partition_index, error) for each in topic.partitions],
    ),
)
COUNT_RECORDS = Entries(
    "topics",
    "topics",
    lambda topic, error: count_records.CountRecordsTopicResponse(
        topic.name,
        [count_records.CountRecordsPartitionResponse(each.partition_index, error) for each in topic.partitions],
    ),
)
OFFSET_COMMIT = Entries(
    "topics",
    "topics",
    lambda topic, error: offset_commit.OffsetCommitResponseTopic(
        topic.name,
        topic.topic_id,
        [offset_commit.OffsetCommitResponsePartition(each.partition_index, error) for each in topic.partitions],
    ),
    by_id_or_name,
)
TXN_OFFSET_COMMIT = Entries(
    "topics",
    "topics",
    lambda topic, error: txn_offset_commit.TxnOffsetCommitResponseTopic(
        topic.name,
        topic.topic_id,
        [txn_offset_commit.TxnOffsetCommitResponsePartition(each.partition_index, error) for each in topic.partitions],
    ),
    by_id_or_name,
)
DELETE_RECORDS = Entries(
    "topics",
    "topics",
    lambda topic, error: delete_records.DeleteRecordsTopicResult(
        topic.name,
        [delete_records.DeleteRecordsPartitionResult(each.partition_index, -1, error) for each in topic.partitions],
    ),
)
OFFSET_FOR_LEADER_EPOCH = Entries(
    "topics",
    "topics",
    lambda topic, error: offset_for_leader_epoch.OffsetForLeaderTopicResult(
        topic.topic, [offset_for_leader_epoch.EpochEndOffset(error, each.partition) for each in topic.partitions]
    ),
    lambda topic, asking: str(topic.topic),
)
WRITE_TXN_MARKERS = Entries(
    "markers",
    "markers",
    lambda marker, error: write_txn_markers.WritableTxnMarkerResult(
        marker.producer_id,
        [
            write_txn_markers.WritableTxnMarkerTopicResult(
                topic.name,
                [write_txn_markers.WritableTxnMarkerPartitionResult(each, error) for each in topic.partition_indexes],
            )
            for topic in marker.topics
        ],
    ),
)
OFFSET_DELETE = Entries(
    "topics",
    "topics",
    lambda topic, error: offset_delete.OffsetDeleteResponseTopic(
        topic.name,
        [offset_delete.OffsetDeleteResponsePartition(each.partition_index, error) for each in topic.partitions],
    ),
)
DESCRIBE_PRODUCERS = Entries(
    "topics",
    "topics",
    lambda topic, error: describe_producers.TopicResponse(
        topic.name,
        [describe_producers.PartitionResponse(each, error, error.sentence) for each in topic.partition_indexes],
    ),
)
CREATE_PARTITIONS = Entries(
    "topics",
    "results",
    lambda topic, error: create_partitions.CreatePartitionsTopicResult(topic.name, error, error.sentence),
)
ALTER_SHARE_OFFSETS = Entries(
    "topics",
    "responses",
    lambda topic, error: alter_share_group_offsets.AlterShareGroupOffsetsResponseTopic(
        topic.topic_name,
        partitions=[
            alter_share_group_offsets.AlterShareGroupOffsetsResponsePartition(
                each.partition_index, error, error.sentence
            )
            for each in topic.partitions
        ],
    ),
    lambda topic, asking: str(topic.topic_name),
)
DELETE_SHARE_OFFSETS = Entries(
    "topics",
    "responses",
    lambda topic, error: delete_share_group_offsets.DeleteShareGroupOffsetsResponseTopic(
        topic.topic_name, error_code=error, error_message=error.sentence
    ),
    lambda topic, asking: str(topic.topic_name),
)
SHARE_FETCH = Entries(
    "topics",
    "responses",
    lambda topic, error: share_fetch.ShareFetchableTopicResponse(
        topic.topic_id,
        [share_fetch.PartitionData(each.partition_index, error, error.sentence) for each in topic.partitions],
    ),
    lambda topic, asking: asking.topic_name(topic.topic_id),
)
SHARE_ACKNOWLEDGE = Entries(
    "topics",
    "responses",
    lambda topic, error: share_acknowledge.ShareAcknowledgeTopicResponse(
        topic.topic_id,
        [share_acknowledge.PartitionData(each.partition_index, error, error.sentence) for each in topic.partitions],
    ),
    lambda topic, asking: asking.topic_name(topic.topic_id),
)

# ---------------------------------------------------------------------------------------- groups and transactional ids


DESCRIBE_GROUPS = Entries(
    "groups",
    "groups",
    lambda group, error: describe_groups.DescribedGroup(error, error.sentence, group),
    itself,
)
CONSUMER_GROUP_DESCRIBE = Entries(
    "group_ids",
    "groups",
    lambda group, error: consumer_group_describe.DescribedGroup(error, error.sentence, group),
    itself,
)
SHARE_GROUP_DESCRIBE = Entries(
    "group_ids",
    "groups",
    lambda group, error: share_group_describe.DescribedGroup(error, error.sentence, group),
    itself,
)
DELETE_GROUPS = Entries(
    "groups_names", "results", lambda group, error: delete_groups.DeletableGroupResult(group, error), itself
)
DESCRIBE_TRANSACTIONS = Entries(
    "transactional_ids",
    "transaction_states",
    lambda each, error: describe_transactions.TransactionState(error, each),
    itself,
)

# --------------------------------------------------------------------------------- what is only ever refused as a whole


CREATE_ACLS = Entries("creations", "results", lambda _, error: create_acls.AclCreationResult(error, error.sentence))
DELETE_ACLS = Entries(
    "filters", "filter_results", lambda _, error: delete_acls.DeleteAclsFilterResult(error, error.sentence)
)
ALTER_CLIENT_QUOTAS = Entries(
    "entries",
    "entries",
    lambda entry, error: alter_client_quotas.AlterClientQuotasResponseEntryData(error, error.sentence, entry.entity),
)
