"""CreateTopics (API key 19), versions 2-7: create topics.

Versions
    4 partitions and replication factor may be left to the broker (KIP-464)
    5 flexible, topic_config_error_code, num_partitions, replication_factor, configs (KIP-525)
    6 THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599)    7 topic_id in the response (KIP-516)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int8, Int16, Int32, Since, String, Tag, Uuid


class CreatableReplicaAssignment(Struct, frozen=True):
    partition_index: Int32 = 0
    broker_ids: Array[Int32] = ()


class CreatableTopicConfig(Struct, frozen=True):
    name: String = ""
    value: String | None = ""


class CreatableTopic(Struct, frozen=True):
    name: String = ""
    num_partitions: Int32 = 0
    """-1 leaves it to the broker, or to the assignments."""
    replication_factor: Int16 = 0
    """-1 leaves it to the broker, or to the assignments."""
    assignments: Array[CreatableReplicaAssignment] = ()
    configs: Array[CreatableTopicConfig] = ()


class CreateTopicsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 19
    VERSIONS: ClassVar[range] = range(2, 8)
    FLEXIBLE: ClassVar[int | None] = 5

    topics: Array[CreatableTopic] = ()
    timeout_ms: Int32 = 60000
    validate_only: Boolean = False


class CreatableTopicConfigs(Struct, frozen=True):
    name: String = ""
    value: String | None = ""
    read_only: Boolean = False
    config_source: Int8 = -1
    """As in DescribeConfigs."""
    is_sensitive: Boolean = False


class CreatableTopicResult(Struct, frozen=True):
    name: String = ""
    topic_id: Annotated[Uuid, Since(7)] = ZERO_UUID
    error_code: Int16 = 0
    error_message: String | None = ""
    topic_config_error_code: Annotated[Int16, Since(5), Tag(0)] = 0
    """Why configs are missing although the topic was made."""
    num_partitions: Annotated[Int32, Since(5)] = -1
    replication_factor: Annotated[Int16, Since(5)] = -1
    configs: Annotated[Array[CreatableTopicConfigs] | None, Since(5)] = ()


class CreateTopicsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 19
    VERSIONS: ClassVar[range] = range(2, 8)
    FLEXIBLE: ClassVar[int | None] = 5

    throttle_time_ms: Int32 = 0
    topics: Array[CreatableTopicResult] = ()
