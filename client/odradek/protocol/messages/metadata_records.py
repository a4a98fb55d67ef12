"""The records of the cluster's metadata log, each with its number (API_KEY) as in Kafka's KRaft.

In the log a record is framed by three uvarints: frame version 1, the record's number, its version. What a record says
has been decided: followers of the log replay it and ask nothing.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import (
    ZERO_UUID,
    Array,
    Boolean,
    Bytes,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Since,
    String,
    Tag,
    UInt16,
    Uuid,
)


class FeatureLevelRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 12
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    name: String = ""
    feature_level: Int16 = 0
    """0 takes the feature out of use."""


class BrokerEndpoint(Struct, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0
    security_protocol: Int16 = 0


class BrokerFeature(Struct, frozen=True):
    name: String = ""
    min_supported_version: Int16 = 0
    max_supported_version: Int16 = 0


class RegisterBrokerRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    is_migrating_zk_broker: Annotated[Boolean, Since(2)] = False
    incarnation_id: Uuid = ZERO_UUID
    broker_epoch: Int64 = 0
    end_points: Array[BrokerEndpoint] = ()
    features: Array[BrokerFeature] = ()
    rack: String | None = ""
    fenced: Boolean = True
    in_controlled_shutdown: Annotated[Boolean, Since(1)] = False
    log_dirs: Annotated[Array[Uuid], Since(3), Tag(0)] = ()
    cordoned_log_dirs: Annotated[Array[Uuid] | None, Since(4), Tag(1)] = None


class UnregisterBrokerRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = 0


class FenceBrokerRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 7
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    id: Int32 = 0
    epoch: Int64 = 0


class UnfenceBrokerRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 8
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    id: Int32 = 0
    epoch: Int64 = 0


class BrokerRegistrationChangeRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 17
    VERSIONS: ClassVar[range] = range(4)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = 0
    fenced: Annotated[Int8, Tag(0)] = 0
    """1 fenced, -1 unfenced, 0 as before."""
    in_controlled_shutdown: Annotated[Int8, Since(1), Tag(1)] = 0
    """1 from now on, 0 as before."""
    log_dirs: Annotated[Array[Uuid], Since(2), Tag(2)] = ()
    cordoned_log_dirs: Annotated[Array[Uuid] | None, Since(3), Tag(3)] = None


class TopicRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 2
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    name: String = ""
    topic_id: Uuid = ZERO_UUID


class PartitionRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 3
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    partition_id: Int32 = -1
    topic_id: Uuid = ZERO_UUID
    replicas: Array[Int32] = ()
    isr: Array[Int32] = ()
    removing_replicas: Array[Int32] = ()
    adding_replicas: Array[Int32] = ()
    leader: Int32 = -1
    leader_recovery_state: Annotated[Int8, Tag(0)] = 0
    leader_epoch: Int32 = -1
    partition_epoch: Int32 = -1
    directories: Annotated[Array[Uuid], Since(1)] = ()
    eligible_leader_replicas: Annotated[Array[Int32] | None, Since(2), Tag(1)] = None
    last_known_elr: Annotated[Array[Int32] | None, Since(2), Tag(2)] = None


class PartitionChangeRecord(Struct, frozen=True):
    """What has changed of a partition: a field left at its default has not."""

    API_KEY: ClassVar[int] = 5
    VERSIONS: ClassVar[range] = range(3)
    FLEXIBLE: ClassVar[int | None] = 0

    partition_id: Int32 = -1
    topic_id: Uuid = ZERO_UUID
    isr: Annotated[Array[Int32] | None, Tag(0)] = None
    leader: Annotated[Int32, Tag(1)] = -2
    """-1 for none, -2 where it has not changed."""
    replicas: Annotated[Array[Int32] | None, Tag(2)] = None
    removing_replicas: Annotated[Array[Int32] | None, Tag(3)] = None
    adding_replicas: Annotated[Array[Int32] | None, Tag(4)] = None
    leader_recovery_state: Annotated[Int8, Tag(5)] = -1
    directories: Annotated[Array[Uuid] | None, Since(1), Tag(8)] = None
    eligible_leader_replicas: Annotated[Array[Int32] | None, Since(2), Tag(6)] = None
    last_known_elr: Annotated[Array[Int32] | None, Since(2), Tag(7)] = None


class RemoveTopicRecord(Struct, frozen=True):
    """The topic goes with its partitions."""

    API_KEY: ClassVar[int] = 9
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topic_id: Uuid = ZERO_UUID


class ClearElrRecord(Struct, frozen=True):
    """Empties the eligible leader replicas of a topic, or of all topics where it names none."""

    API_KEY: ClassVar[int] = 28
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    topic_name: String = ""


class ConfigRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 4
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    resource_type: Int8 = 0
    resource_name: String = ""
    name: String = ""
    value: String | None = ""
    """Null removes the key."""


class ProducerIdsRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 15
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    broker_epoch: Int64 = -1
    next_producer_id: Int64 = 0
    """The first id that no broker has been given yet."""


class EntityData(Struct, frozen=True):
    entity_type: String = ""
    entity_name: String | None = ""


class ClientQuotaRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 14
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    entity: Array[EntityData] = ()
    key: String = ""
    value: Float64 = 0.0
    remove: Boolean = False


class UserScramCredentialRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 11
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    name: String = ""
    mechanism: Int8 = 0
    salt: Bytes = b""
    stored_key: Bytes = b""
    server_key: Bytes = b""
    iterations: Int32 = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # a secret is in it


class RemoveUserScramCredentialRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 22
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    name: String = ""
    mechanism: Int8 = 0


class DelegationTokenRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 10
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    owner: String = ""
    requester: String = ""
    renewers: Array[String] = ()
    issue_timestamp: Int64 = 0
    max_timestamp: Int64 = 0
    expiration_timestamp: Int64 = 0
    token_id: String = ""


class RemoveDelegationTokenRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 26
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    token_id: String = ""


class AccessControlEntryRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 18
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    id: Uuid = ZERO_UUID
    resource_type: Int8 = 0
    resource_name: String = ""
    pattern_type: Int8 = 0
    principal: String = ""
    host: String = ""
    operation: Int8 = 0
    permission_type: Int8 = 0


class RemoveAccessControlEntryRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 19
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    id: Uuid = ZERO_UUID


class ControllerEndpoint(Struct, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0
    security_protocol: Int16 = 0


class ControllerFeature(Struct, frozen=True):
    name: String = ""
    min_supported_version: Int16 = 0
    max_supported_version: Int16 = 0


class RegisterControllerRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 27
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    controller_id: Int32 = 0
    incarnation_id: Uuid = ZERO_UUID
    zk_migration_ready: Boolean = False
    end_points: Array[ControllerEndpoint] = ()
    features: Array[ControllerFeature] = ()


class BeginTransactionRecord(Struct, frozen=True):
    """What follows takes effect with the EndTransactionRecord, and not before."""

    API_KEY: ClassVar[int] = 23
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    name: Annotated[String | None, Tag(0)] = None


class EndTransactionRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 24
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0


class AbortTransactionRecord(Struct, frozen=True):
    API_KEY: ClassVar[int] = 25
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    reason: Annotated[String | None, Tag(0)] = None


class NoOpRecord(Struct, frozen=True):
    """Lets the log's end move on when nothing happens."""

    API_KEY: ClassVar[int] = 20
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0


class ZkMigrationStateRecord(Struct, frozen=True):
    """Left behind by migrations from ZooKeeper; read, never written."""

    API_KEY: ClassVar[int] = 21
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    zk_migration_state: Int8 = 0
