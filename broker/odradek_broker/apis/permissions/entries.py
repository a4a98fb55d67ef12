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

OF_TOPIC = ("name", "topic", "topic_name", "topic_id")
PARTITIONS = ("partitions", "partition_data", "partition_indexes", "partition_responses")
NUMBER = ("partition_index", "partition", "index")
"""What Kafka's messages call these, each of them by one name or another."""


def topics_of_partitions(
    topic: type[Struct],
    partition: type[Struct],
    name: Callable[[Any, Asking], str | None] | None = None,
    answered: str = "topics",
    asked: str = "topics",
    **fixed: Any,
) -> Entries:
    """Topics, of which each partition is refused. `topic`, `partition`: the answer's; `fixed`: what else one of these
    says. `name` where it is not the field that has a topic's name.
    """
    known, (number,) = _fields(topic, OF_TOPIC), _fields(partition, NUMBER)
    (within,) = _fields(topic, PARTITIONS)
    explains = "error_message" in partition.__struct_fields__

    def refuse(entry: Any, error: ErrorCode) -> Struct:
        said = {"error_code": error, **({"error_message": error.sentence} if explains else {}), **fixed}
        (asked_within,) = _fields(type(entry), PARTITIONS)
        refused = [partition(**{number: _number(each)}, **said) for each in getattr(entry, asked_within)]
        named = {field: getattr(entry, field) for field in known if hasattr(entry, field)}
        return topic(**named, **{within: refused})

    return Entries(asked, answered, refuse, name or (lambda entry, asking: str(getattr(entry, known[0]))))


def _fields(kind: type[Struct], names: tuple[str, ...]) -> list[str]:
    """Those that it has."""
    return [each for each in names if each in kind.__struct_fields__]


def _number(partition: Any) -> int:
    """Of an asked one, which may be a number and nothing else."""
    return partition if isinstance(partition, int) else int(getattr(partition, *_fields(type(partition), NUMBER)))


def by_its_id(entry: Any, asking: Asking) -> str | None:
    return asking.topic_name(entry.topic_id)


PRODUCE = topics_of_partitions(
    produce.TopicProduceResponse,
    produce.PartitionProduceResponse,
    by_id_or_name,
    "responses",
    "topic_data",
    base_offset=-1,
    error_message=None,
)
LIST_OFFSETS = topics_of_partitions(list_offsets.ListOffsetsTopicResponse, list_offsets.ListOffsetsPartitionResponse)
COUNT_RECORDS = topics_of_partitions(
    count_records.CountRecordsTopicResponse, count_records.CountRecordsPartitionResponse
)
OFFSET_COMMIT = topics_of_partitions(
    offset_commit.OffsetCommitResponseTopic, offset_commit.OffsetCommitResponsePartition, by_id_or_name
)
TXN_OFFSET_COMMIT = topics_of_partitions(
    txn_offset_commit.TxnOffsetCommitResponseTopic, txn_offset_commit.TxnOffsetCommitResponsePartition, by_id_or_name
)
DELETE_RECORDS = topics_of_partitions(
    delete_records.DeleteRecordsTopicResult, delete_records.DeleteRecordsPartitionResult, low_watermark=-1
)
OFFSET_FOR_LEADER_EPOCH = topics_of_partitions(
    offset_for_leader_epoch.OffsetForLeaderTopicResult, offset_for_leader_epoch.EpochEndOffset
)
OFFSET_DELETE = topics_of_partitions(
    offset_delete.OffsetDeleteResponseTopic, offset_delete.OffsetDeleteResponsePartition
)
DESCRIBE_PRODUCERS = topics_of_partitions(describe_producers.TopicResponse, describe_producers.PartitionResponse)
ALTER_SHARE_OFFSETS = topics_of_partitions(
    alter_share_group_offsets.AlterShareGroupOffsetsResponseTopic,
    alter_share_group_offsets.AlterShareGroupOffsetsResponsePartition,
    lambda topic, asking: str(topic.topic_name),
    "responses",
)
SHARE_FETCH = topics_of_partitions(
    share_fetch.ShareFetchableTopicResponse, share_fetch.PartitionData, by_its_id, "responses"
)
SHARE_ACKNOWLEDGE = topics_of_partitions(
    share_acknowledge.ShareAcknowledgeTopicResponse, share_acknowledge.PartitionData, by_its_id, "responses"
)
WRITTEN_TO = topics_of_partitions(
    write_txn_markers.WritableTxnMarkerTopicResult, write_txn_markers.WritableTxnMarkerPartitionResult
)
WRITE_TXN_MARKERS = Entries(
    "markers",
    "markers",
    lambda marker, error: write_txn_markers.WritableTxnMarkerResult(
        marker.producer_id, [WRITTEN_TO.refuse(topic, error) for topic in marker.topics]
    ),
)
CREATE_PARTITIONS = Entries(
    "topics",
    "results",
    lambda topic, error: create_partitions.CreatePartitionsTopicResult(topic.name, error, error.sentence),
)
DELETE_SHARE_OFFSETS = Entries(
    "topics",
    "responses",
    lambda topic, error: delete_share_group_offsets.DeleteShareGroupOffsetsResponseTopic(
        topic.topic_name, error_code=error, error_message=error.sentence
    ),
    lambda topic, asking: str(topic.topic_name),
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
