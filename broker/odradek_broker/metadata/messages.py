"""Messages between brokers and controllers that Kafka has no like of. Never advertised to clients.

Forward           a request that the active controller is to decide, as it stands in Kafka's protocol, and its answer
FollowMetadata    the metadata from some offset on, as soon as there is any: a long poll
TellMetadata      all metadata as the node that is asked knows it, be it a controller or not
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Boolean, Bytes, Int16, Int32, Int64, String, Tag


class ForwardRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20001
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    api_key: Int16 = 0
    version: Int16 = 0
    body: Bytes = b""
    """The request without its header."""
    stamp: Bytes = b""
    """The newest that a controller has given us, as it gave it."""
    patience_ms: Int32 = 0
    """For how long the sender waits for the answer."""
    cluster_id: Annotated[String, Tag(0)] = ""
    """Of the sender's metadata: what it says is of no other cluster. Empty where it does not know it."""


class ForwardResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20001
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    error_code: Int16 = 0
    """NOT_CONTROLLER; INCONSISTENT_CLUSTER_ID; OPERATION_NOT_ATTEMPTED for what has been on its way for long; why
    nothing was decided."""
    body: Bytes = b""
    offset: Int64 = -1
    """Of the metadata that the answer is true of."""
    lease_ms: Int32 = 0
    """Answers to heartbeats: how long a broker that is let in may act as a leader, by its own clock, from when it sent
    the heartbeat. Answers to registrations: how long whoever had the id before may be one, by whatever it was told."""
    stamp: Bytes = b""
    """By which the controller knows what is asked after this answer from what has been on its way for long."""


class FollowMetadataRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20002
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = -1
    next_offset: Int64 = 0
    """Of the first record that the broker has not got."""
    max_wait_ms: Int32 = 0
    cluster_id: Annotated[String, Tag(0)] = ""
    """Empty where the broker does not know it yet."""
    seen_offset: Annotated[Int64, Tag(1)] = -1
    """Of the newest record that the broker has ever acted upon, in this life or one before."""
    seen_epoch: Annotated[Int32, Tag(2)] = -1


class FollowMetadataResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20002
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    error_code: Int16 = 0
    cluster_id: String = ""
    controller_id: Int32 = -1
    has_rivals: Boolean = False
    """Whether others may be controller after it."""
    is_snapshot: Boolean = False
    """The records make the whole image; what the broker has is to be forgotten."""
    last_offset: Int64 = -1
    records: Array[Bytes] = ()
    """Each as controller/frame.py frames it."""
    epoch: Annotated[Int32, Tag(0)] = -1
    """Of the last record."""


class TellMetadataRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20003
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    beyond_offset: Int64 = -1
    """Where the node that is asked knows of nothing behind it, it tells no records."""


class TellMetadataResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20003
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    cluster_id: String = ""
    node_id: Int32 = -1
    last_offset: Int64 = -1
    epoch: Int32 = -1
    """Of the last record."""
    records: Array[Bytes] = ()
    """They make the whole image. Each as controller/frame.py frames it."""
    error_code: Annotated[Int16, Tag(0)] = 0
    """CLUSTER_AUTHORIZATION_FAILED: who asks is no broker."""
