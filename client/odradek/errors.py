"""What the client raises. Everything derives from OdradekError and knows whether trying again may help.

Two families. A BrokerError is an ErrorCode that a broker answered with; the codes that a program is likely to handle
have a class of their own, so `except TopicAlreadyExists` reads as it should, and every other code is a plain
BrokerError with its `code`. The rest are the client's own: nothing reachable, too late, closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, TypeVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError

if TYPE_CHECKING:
    from odradek.protocol.topic_partition import TopicPartition
    from odradek.record import Record

__all__ = [
    "AuthenticationFailed",
    "AuthorizationFailed",
    "BadAnswer",
    "BootstrapFailed",
    "BrokerError",
    "BufferFull",
    "CommitFailed",
    "ConnectionFailed",
    "CoordinatorUnavailable",
    "CorruptRecords",
    "DeliveryTimedOut",
    "EndedBy",
    "FencedInstance",
    "GroupNotEmpty",
    "GroupNotFound",
    "IllegalGeneration",
    "InvalidConfig",
    "InvalidRecord",
    "InvalidRequest",
    "InvalidTopic",
    "NoOffset",
    "NotController",
    "NotEnoughReplicas",
    "NotLeader",
    "OdradekError",
    "OffsetOutOfRange",
    "OutOfOrderSequence",
    "PolicyViolation",
    "ProducerClosed",
    "ProducerFenced",
    "ProtocolError",
    "RebalanceInProgress",
    "RecordTooLarge",
    "RequestTimedOut",
    "SerializationFailed",
    "TopicAlreadyExists",
    "TransactionAbortable",
    "TransactionAborted",
    "TransactionOutcomeUnknown",
    "Undelivered",
    "UnknownMember",
    "UnknownTopicOrPartition",
    "UnsupportedVersion",
    "broker_error",
    "raise_for",
]


class OdradekError(Exception):
    """The base of all that this library raises on purpose."""

    retriable: bool = False
    """Whether the same call may succeed later without anything being changed."""


# ------------------------------------------------------------------------------------------ what a broker answered


class BrokerError(OdradekError):
    """A broker refused: `code` says why, `detail` is what it adds or what was asked."""

    codes: ClassVar[tuple[ErrorCode, ...]] = ()

    def __init__(self, code: ErrorCode, detail: str | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.retriable = code.retriable

    def __str__(self) -> str:
        text = f"{self.code.name} ({int(self.code)}): {self.code.sentence}"
        return f"{text} [{self.detail}]" if self.detail and self.detail != self.code.sentence else text


_classes: dict[ErrorCode, type[BrokerError]] = {}

E = TypeVar("E", bound=type[BrokerError])


def _answers(*codes: ErrorCode) -> Callable[[E], E]:
    def register(cls: E) -> E:
        cls.codes = codes
        _classes.update(dict.fromkeys(codes, cls))
        return cls

    return register


@_answers(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
class UnknownTopicOrPartition(BrokerError):
    """No such topic or partition, or not yet known where it was asked for."""


@_answers(ErrorCode.TOPIC_ALREADY_EXISTS)
class TopicAlreadyExists(BrokerError):
    """A topic of that name is there already."""


@_answers(ErrorCode.INVALID_TOPIC_EXCEPTION)
class InvalidTopic(BrokerError):
    """No topic may have that name, or nothing may be written to it."""


@_answers(ErrorCode.INVALID_CONFIG)
class InvalidConfig(BrokerError):
    """A configuration key or value that the broker does not take."""


@_answers(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_PARTITIONS, ErrorCode.INVALID_REPLICATION_FACTOR)
class InvalidRequest(BrokerError):
    """The request asks for something that makes no sense to the broker."""


@_answers(ErrorCode.POLICY_VIOLATION)
class PolicyViolation(BrokerError):
    """A policy of the cluster forbids it."""


@_answers(ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.FENCED_LEADER_EPOCH)
class NotLeader(BrokerError):
    """The partition is led by another broker, or by none at the moment."""


@_answers(ErrorCode.NOT_CONTROLLER)
class NotController(BrokerError):
    """Another broker is the controller."""


@_answers(ErrorCode.OFFSET_OUT_OF_RANGE)
class OffsetOutOfRange(BrokerError):
    """The offset is before the start or behind the end of the log."""


@_answers(ErrorCode.CORRUPT_MESSAGE)
class CorruptRecords(BrokerError):
    """A batch cannot be read: its checksum is wrong, or it is not what it says it is.

    Nothing is passed over in silence. Where `next_offset` is known, `consumer.seek(error.partition, error.next_offset)`
    goes on behind the batch.
    """

    partition: TopicPartition | None = None
    offset: int | None = None
    """Where the batch begins, or what was asked for."""
    next_offset: int | None = None
    """The first offset behind it, by its own account."""


@_answers(ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE)
class RecordTooLarge(BrokerError):
    """A record or batch above what the broker, or this producer, takes."""


@_answers(ErrorCode.INVALID_RECORD, ErrorCode.INVALID_TIMESTAMP)
class InvalidRecord(BrokerError):
    """The broker found fault with the records themselves."""


@_answers(ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
class NotEnoughReplicas(BrokerError):
    """Fewer replicas are in sync than min.insync.replicas asks for."""


@_answers(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID)
class OutOfOrderSequence(BrokerError):
    """The broker misses an earlier batch of this producer."""


class EndedBy(Enum):
    """Who has ended a transaction over its producer's head, as far as the coordinator tells."""

    NEWER_PRODUCER = (
        "another producer with this id has been started since, or somebody has terminated its transaction, which looks "
        "the same"
    )
    TIMEOUT = "a transaction took longer than transaction_timeout_ms, and the coordinator aborted it"
    ADMINISTRATOR = "somebody has ended the transaction in a partition past its coordinator, as an administrator may"
    EXPIRATION = "the coordinator has forgotten the id, as nobody has used it for transactional.id.expiration.ms"
    UNKNOWN = (
        "either another producer with this id has been started since, or a transaction took too long and was aborted "
        "by the coordinator; nobody says which"
    )


@_answers(ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH)
class ProducerFenced(BrokerError):
    """Nothing more can be done with this producer; `by` says who has seen to that."""

    by = EndedBy.UNKNOWN


@_answers(ErrorCode.TRANSACTION_ABORTABLE)
class TransactionAbortable(BrokerError):
    """The transaction cannot be committed. Once it is aborted, the producer goes on."""


@_answers(
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
)
class CoordinatorUnavailable(BrokerError):
    """The group's coordinator is moving or still reading its log."""


@_answers(ErrorCode.ILLEGAL_GENERATION, ErrorCode.STALE_MEMBER_EPOCH, ErrorCode.FENCED_MEMBER_EPOCH)
class IllegalGeneration(BrokerError):
    """The group has rebalanced since."""


@_answers(ErrorCode.UNKNOWN_MEMBER_ID)
class UnknownMember(BrokerError):
    """The group has forgotten this member, as it does after a session timeout."""


@_answers(ErrorCode.REBALANCE_IN_PROGRESS)
class RebalanceInProgress(BrokerError):
    """The group is rebalancing at the moment."""


@_answers(ErrorCode.FENCED_INSTANCE_ID)
class FencedInstance(BrokerError):
    """Another consumer runs with the same group instance id."""


@_answers(ErrorCode.NON_EMPTY_GROUP, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
class GroupNotEmpty(BrokerError):
    """The group still has members."""


@_answers(ErrorCode.GROUP_ID_NOT_FOUND)
class GroupNotFound(BrokerError):
    """No group of that name."""


@_answers(ErrorCode.UNSUPPORTED_VERSION)
class UnsupportedVersion(BrokerError):
    """The broker does not know this request, or not in a version that says what was asked for."""


@_answers(
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
class AuthorizationFailed(BrokerError):
    """This user may not do that."""


@_answers(ErrorCode.SASL_AUTHENTICATION_FAILED, ErrorCode.UNSUPPORTED_SASL_MECHANISM)
class AuthenticationFailed(BrokerError):
    """The broker does not accept who this client says it is."""


def broker_error(code: int, detail: str | None = None) -> BrokerError:
    """The exception for an error code of the wire; a code from the future becomes UNKNOWN_SERVER_ERROR."""
    known = ErrorCode.from_code(code)
    if known != code:
        detail = f"error code {code}" + (f", {detail}" if detail else "")
    return _classes.get(known, BrokerError)(known, detail)


def raise_for(code: int, detail: str | None = None) -> None:
    """Raise the exception of a code that is not NONE."""
    if code:
        raise broker_error(code, detail)


# ----------------------------------------------------------------------------------------------- the client's own


class BadAnswer(OdradekError):
    """A broker, or through it another member of the group, has answered what cannot be."""


class ConnectionFailed(OdradekError):
    """A connection could not be opened, or was lost with requests still unanswered."""

    retriable = True


class RequestTimedOut(OdradekError):
    """A broker did not answer in time. Whether it did what was asked is not known."""

    retriable = True


class BootstrapFailed(OdradekError):
    """None of the bootstrap addresses answered."""

    retriable = True


class DeliveryTimedOut(OdradekError):
    """A record was not acknowledged within delivery_timeout_ms. It may or may not be in the log."""


class BufferFull(OdradekError):
    """`send` found no room in buffer_memory, or no metadata, within max_block_ms."""

    retriable = True


class ProducerClosed(OdradekError):
    """The producer's scope has ended; the record was not delivered."""


class TransactionAborted(OdradekError):
    """A record was part of a transaction that was aborted; or somebody else has ended the transaction: see `by`."""

    by: EndedBy | None = None


class TransactionOutcomeUnknown(OdradekError):
    """A commit was asked for, and what became of it cannot be known: look whether the records are there."""


class Undelivered(OdradekError):
    """Records that nobody waited for were not delivered. `count` of them; `causes` has one error per batch."""

    def __init__(self, count: int, causes: Sequence[BaseException]) -> None:
        super().__init__(count, causes)
        self.count = count
        self.causes = list(causes)

    def __str__(self) -> str:
        records = "1 record was" if self.count == 1 else f"{self.count} records were"
        return f"{records} not delivered: {self.causes[0]}"


class SerializationFailed(OdradekError):
    """A key or value could not be turned into bytes, or bytes not into a key or value."""

    record: Record[bytes | None, bytes | None] | None = None
    """The record that cannot be read, as it is in the log."""


class NoOffset(OdradekError):
    """A partition has no committed offset, or one out of range, and start="none" forbids to choose another."""


class CommitFailed(OdradekError):
    """Offsets were not committed: the partitions belong to another member by now."""
