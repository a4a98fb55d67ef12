"""Every error code that Apache Kafka 4.4.0 puts on the wire, with what it means and whether trying again may help.

Numbers, names and retriability are those of Kafka's class org.apache.kafka.common.protocol.Errors. "Retriable" means
that the very same request may succeed later or elsewhere, often only after the metadata has been refreshed; what is
not retriable needs another request, another member state, or a person.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

RETRIABLE = True


class ErrorCode(IntEnum):
    """The number itself (it can be assigned to any `error_code` field), `.sentence` for people, and `.retriable`."""

    sentence: str
    retriable: bool

    def __new__(cls, code: int, sentence: str, retriable: bool = False) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.retriable = retriable
        return member

    @classmethod
    def from_code(cls, code: int) -> ErrorCode:
        """The member with this number; UNKNOWN_SERVER_ERROR for a number newer than this table."""
        return _BY_CODE.get(code, cls.UNKNOWN_SERVER_ERROR)

    UNKNOWN_SERVER_ERROR = -1, "The broker failed in a way that has no code of its own; its log says more."
    NONE = 0, "No error."
    OFFSET_OUT_OF_RANGE = 1, "The offset lies before the start or behind the end of the partition's log."
    CORRUPT_MESSAGE = 2, "A record batch is damaged: its checksum or its size is wrong.", RETRIABLE
    UNKNOWN_TOPIC_OR_PARTITION = 3, "The broker knows no such topic or partition.", RETRIABLE
    INVALID_FETCH_SIZE = 4, "The number of bytes asked for in a fetch is not allowed."
    LEADER_NOT_AVAILABLE = 5, "The partition has no leader at the moment.", RETRIABLE
    NOT_LEADER_OR_FOLLOWER = 6, "The broker does not lead this partition, or holds no replica of it.", RETRIABLE
    REQUEST_TIMED_OUT = 7, "The request was not finished within its time limit.", RETRIABLE
    BROKER_NOT_AVAILABLE = 8, "The broker named is not running."
    REPLICA_NOT_AVAILABLE = 9, "The replica that was expected on this broker is not there.", RETRIABLE
    MESSAGE_TOO_LARGE = 10, "A record batch exceeds max.message.bytes."
    STALE_CONTROLLER_EPOCH = 11, "The request comes from a controller that has been replaced."
    OFFSET_METADATA_TOO_LARGE = 12, "The text stored along with a committed offset is too long."
    NETWORK_EXCEPTION = 13, "The connection ended before the answer arrived.", RETRIABLE
    COORDINATOR_LOAD_IN_PROGRESS = 14, "The coordinator is still reading its state back.", RETRIABLE
    COORDINATOR_NOT_AVAILABLE = 15, "There is no coordinator for this group or transaction yet.", RETRIABLE
    NOT_COORDINATOR = 16, "Another broker coordinates this group or transaction.", RETRIABLE
    INVALID_TOPIC_EXCEPTION = 17, "The topic name is malformed, or the topic may not be used like this."
    RECORD_LIST_TOO_LARGE = 18, "The record batch would not fit into one segment."
    NOT_ENOUGH_REPLICAS = 19, "Fewer replicas are in sync than min.insync.replicas; nothing written.", RETRIABLE
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, "Written, but on fewer in-sync replicas than required.", RETRIABLE
    INVALID_REQUIRED_ACKS = 21, "acks must be 0, 1 or -1 (all)."
    ILLEGAL_GENERATION = 22, "The member speaks of a generation that the group has left behind."
    INCONSISTENT_GROUP_PROTOCOL = 23, "The member shares no protocol with the group, or names none."
    INVALID_GROUP_ID = 24, "The group id is empty or otherwise unusable."
    UNKNOWN_MEMBER_ID = 25, "The group has no member of this id."
    INVALID_SESSION_TIMEOUT = 26, "The session timeout is outside the broker's limits for groups."
    REBALANCE_IN_PROGRESS = 27, "The group is rebalancing: the member has to join again."
    INVALID_COMMIT_OFFSET_SIZE = 28, "The offset commit is larger than the offsets topic can take."
    TOPIC_AUTHORIZATION_FAILED = 29, "The principal lacks a permission on the topic."
    GROUP_AUTHORIZATION_FAILED = 30, "The principal lacks a permission on the group."
    CLUSTER_AUTHORIZATION_FAILED = 31, "The principal lacks a permission on the cluster."
    INVALID_TIMESTAMP = 32, "A record's timestamp is not one that the topic accepts."
    UNSUPPORTED_SASL_MECHANISM = 33, "The broker does not offer this SASL mechanism."
    ILLEGAL_SASL_STATE = 34, "This request may not come at this point of the SASL exchange."
    UNSUPPORTED_VERSION = 35, "The broker does not speak this version of the API, or of a feature it needs."
    TOPIC_ALREADY_EXISTS = 36, "There is already a topic of this name."
    INVALID_PARTITIONS = 37, "The number of partitions is not possible."
    INVALID_REPLICATION_FACTOR = 38, "The replication factor is below one or above the number of usable brokers."
    INVALID_REPLICA_ASSIGNMENT = 39, "The placement of replicas has gaps, repeats, or brokers that do not exist."
    INVALID_CONFIG = 40, "A configuration key is unknown or its value is not allowed."
    NOT_CONTROLLER = 41, "Another node is the active controller.", RETRIABLE
    INVALID_REQUEST = 42, "The request contradicts itself or the rules of its API."
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, "The log's record format is too old for this request."
    POLICY_VIOLATION = 44, "A policy of the cluster forbids this."
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "The batch does not follow the producer's previous one."
    DUPLICATE_SEQUENCE_NUMBER = 46, "The batch repeats sequence numbers that were written long before."
    INVALID_PRODUCER_EPOCH = 47, "A newer instance of this producer has raised the epoch."
    INVALID_TXN_STATE = 48, "The transaction is in a state that does not allow this step."
    INVALID_PRODUCER_ID_MAPPING = 49, "The transactional id belongs to another producer id."
    INVALID_TRANSACTION_TIMEOUT = 50, "The transaction timeout exceeds transaction.max.timeout.ms."
    CONCURRENT_TRANSACTIONS = 51, "An earlier step of this transactional id is still being finished.", RETRIABLE
    TRANSACTION_COORDINATOR_FENCED = 52, "The markers come from a transaction coordinator that has been replaced."
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "The principal lacks a permission on the transactional id."
    SECURITY_DISABLED = 54, "The broker runs without an authorizer."
    OPERATION_NOT_ATTEMPTED = 55, "Not tried, because another part of the same request failed."
    KAFKA_STORAGE_ERROR = 56, "The broker could not use its disk for this partition.", RETRIABLE
    LOG_DIR_NOT_FOUND = 57, "The broker has no such log directory."
    SASL_AUTHENTICATION_FAILED = 58, "The credentials were refused."
    UNKNOWN_PRODUCER_ID = 59, "The partition remembers nothing of this producer, as its records have expired."
    REASSIGNMENT_IN_PROGRESS = 60, "The partition's replicas are being moved already."
    DELEGATION_TOKEN_AUTH_DISABLED = 61, "The cluster issues no delegation tokens."
    DELEGATION_TOKEN_NOT_FOUND = 62, "There is no such delegation token."
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, "The principal neither owns the delegation token nor may renew it."
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, "Delegation tokens may not be managed over a connection of this kind."
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, "The principal lacks a permission on the delegation token."
    DELEGATION_TOKEN_EXPIRED = 66, "The delegation token has expired."
    INVALID_PRINCIPAL_TYPE = 67, "Principals of this type are not supported."
    NON_EMPTY_GROUP = 68, "The group still has members."
    GROUP_ID_NOT_FOUND = 69, "There is no such group."
    FETCH_SESSION_ID_NOT_FOUND = 70, "The broker has forgotten this fetch session.", RETRIABLE
    INVALID_FETCH_SESSION_EPOCH = 71, "The fetch session expected another epoch.", RETRIABLE
    LISTENER_NOT_FOUND = 72, "The leader has no listener of the name that this request came in by.", RETRIABLE
    TOPIC_DELETION_DISABLED = 73, "The broker is configured not to delete topics."
    FENCED_LEADER_EPOCH = 74, "The client's leader epoch is older than the broker's.", RETRIABLE
    UNKNOWN_LEADER_EPOCH = 75, "The client's leader epoch is newer than the broker's.", RETRIABLE
    UNSUPPORTED_COMPRESSION_TYPE = 76, "This version of the request cannot carry the batch's compression codec."
    STALE_BROKER_EPOCH = 77, "The broker has registered anew since it sent this."
    OFFSET_NOT_AVAILABLE = 78, "A new leader does not know yet how far its log is committed.", RETRIABLE
    MEMBER_ID_REQUIRED = 79, "Join again with the member id that this answer carries."
    PREFERRED_LEADER_NOT_AVAILABLE = 80, "The preferred leader is not fit to lead.", RETRIABLE
    GROUP_MAX_SIZE_REACHED = 81, "The group takes no more members."
    FENCED_INSTANCE_ID = 82, "Another member has taken over this group.instance.id."
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, "No replica is fit to lead this partition.", RETRIABLE
    ELECTION_NOT_NEEDED = 84, "The partition is already led as asked.", RETRIABLE
    NO_REASSIGNMENT_IN_PROGRESS = 85, "The partition's replicas are not being moved."
    GROUP_SUBSCRIBED_TO_TOPIC = 86, "The group is still subscribed to the topic whose offsets should go."
    INVALID_RECORD = 87, "A record or its batch breaks a rule of the topic or of the format."
    UNSTABLE_OFFSET_COMMIT = 88, "An open transaction may still change this committed offset.", RETRIABLE
    THROTTLING_QUOTA_EXCEEDED = 89, "A quota is used up for now.", RETRIABLE
    PRODUCER_FENCED = 90, "A newer producer uses this transactional id."
    RESOURCE_NOT_FOUND = 91, "The request names something that does not exist."
    DUPLICATE_RESOURCE = 92, "The request names the same thing twice."
    UNACCEPTABLE_CREDENTIAL = 93, "The credential is weaker than the broker accepts."
    INCONSISTENT_VOTER_SET = 94, "One side of this vote is not among the voters."
    INVALID_UPDATE_VERSION = 95, "The version given for the update is not valid."
    FEATURE_UPDATE_FAILED = 96, "The feature levels could not be changed."
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, "The principal in a forwarded request could not be read."
    SNAPSHOT_NOT_FOUND = 98, "There is no such snapshot."
    POSITION_OUT_OF_RANGE = 99, "The position lies outside the snapshot."
    UNKNOWN_TOPIC_ID = 100, "The broker knows no topic of this id.", RETRIABLE
    DUPLICATE_BROKER_REGISTRATION = 101, "Another broker that is alive has this id."
    BROKER_ID_NOT_REGISTERED = 102, "No broker of this id has registered."
    INCONSISTENT_TOPIC_ID = 103, "The topic id belongs to another topic than the log holds.", RETRIABLE
    INCONSISTENT_CLUSTER_ID = 104, "The request was meant for another cluster."
    TRANSACTIONAL_ID_NOT_FOUND = 105, "There is no such transactional id."
    FETCH_SESSION_TOPIC_ID_ERROR = 106, "The fetch session mixes topic names and topic ids.", RETRIABLE
    INELIGIBLE_REPLICA = 107, "The proposed in-sync replicas include one that must not be among them."
    NEW_LEADER_ELECTED = 108, "The change was made, and another leader elected with it."
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, "The offset is only in tiered storage by now."
    FENCED_MEMBER_EPOCH = 110, "The coordinator has fenced this member epoch: give up all partitions and join again."
    UNRELEASED_INSTANCE_ID = 111, "Another member holds this group.instance.id and has not left."
    UNSUPPORTED_ASSIGNOR = 112, "The group cannot use this assignor."
    STALE_MEMBER_EPOCH = 113, "The member epoch is old: heartbeat, then try again with the new one."
    MISMATCHED_ENDPOINT_TYPE = 114, "The request went to a broker where a controller was meant, or the reverse."
    UNSUPPORTED_ENDPOINT_TYPE = 115, "Endpoints of this type are not supported."
    UNKNOWN_CONTROLLER_ID = 116, "There is no controller of this id."
    UNKNOWN_SUBSCRIPTION_ID = 117, "The telemetry subscription is unknown or has changed."
    TELEMETRY_TOO_LARGE = 118, "The telemetry pushed is larger than the broker accepts."
    INVALID_REGISTRATION = 119, "The controller refuses the registration as inconsistent."
    TRANSACTION_ABORTABLE = 120, "The transaction cannot go on; after an abort the producer can."
    INVALID_RECORD_STATE = 121, "The record is not in a state in which this acknowledgement counts."
    SHARE_SESSION_NOT_FOUND = 122, "The broker has forgotten this share session.", RETRIABLE
    INVALID_SHARE_SESSION_EPOCH = 123, "The share session expected another epoch.", RETRIABLE
    FENCED_STATE_EPOCH = 124, "The share group's state has moved on to a newer epoch."
    INVALID_VOTER_KEY = 125, "The voter's directory id is not that of the replica asked."
    DUPLICATE_VOTER = 126, "The voter is among the voters already."
    VOTER_NOT_FOUND = 127, "The voter is not among the voters."
    INVALID_REGULAR_EXPRESSION = 128, "The subscription's pattern is not a valid regular expression."
    REBOOTSTRAP_REQUIRED = 129, "The client's metadata is too old: start again from the bootstrap servers."
    STREAMS_INVALID_TOPOLOGY = 130, "The streams topology is not valid."
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, "The streams topology epoch is not valid."
    STREAMS_TOPOLOGY_FENCED = 132, "A newer streams topology epoch has been seen."
    SHARE_SESSION_LIMIT_REACHED = 133, "The broker takes no more share sessions.", RETRIABLE
    GROUP_DELETION_FAILED = 134, "The group could not be deleted; its result says why."
    STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135, "The broker could not take the description of the topology."
    CONTROLLER_ID_NOT_REGISTERED = 136, "There is no registered controller of this id."


_BY_CODE = {int(code): code for code in ErrorCode}
