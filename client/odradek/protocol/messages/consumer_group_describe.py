"""ConsumerGroupDescribe (API key 69), versions 0-1: ask for state and members of groups of the new protocol
(KIP-848).

Versions
    1 member_type (KIP-1099)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int8, Int16, Int32, Since, String, Uuid


class ConsumerGroupDescribeRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 69
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    group_ids: Array[String] = ()
    include_authorized_operations: Boolean = False


class TopicPartitions(Struct, frozen=True):
    topic_id: Uuid = ZERO_UUID
    topic_name: String = ""
    partitions: Array[Int32] = ()


class Assignment(Struct, frozen=True):
    topic_partitions: Array[TopicPartitions] = ()


class Member(Struct, frozen=True):
    member_id: String = ""
    instance_id: String | None = None
    rack_id: String | None = None
    member_epoch: Int32 = 0
    client_id: String = ""
    client_host: String = ""
    subscribed_topic_names: Array[String] = ()
    subscribed_topic_regex: String | None = None
    assignment: Assignment = Assignment()
    target_assignment: Assignment = Assignment()
    member_type: Annotated[Int8, Since(1)] = -1


class DescribedGroup(Struct, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = None
    group_id: String = ""
    group_state: String = ""
    group_epoch: Int32 = 0
    assignment_epoch: Int32 = 0
    assignor_name: String = ""
    members: Array[Member] = ()
    authorized_operations: Int32 = -0x8000_0000
    """A bit per AclOperation number; the lowest number there is where it was not asked for."""


class ConsumerGroupDescribeResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 69
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    groups: Array[DescribedGroup] = ()
