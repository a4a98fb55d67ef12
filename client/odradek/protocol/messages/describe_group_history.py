"""DescribeGroupHistory (API key 20005, Odradek's own), version 0: the last rebalances of a group, and who caused each.

It goes to the group's coordinator. Kafka has no such API: a broker that has it advertises it to Odradek's client.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from odradek.protocol.schema import Array, Int16, Int32, Int64, String


class DescribeGroupHistoryRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20005
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    group_id: String = ""


class DescribedRebalance(Struct, frozen=True):
    generation: Int32 = -1
    """Which it brought; -1 while it goes on."""
    began_ms: Int64 = -1
    """By the coordinator's wall clock."""
    took_ms: Int64 = -1
    """-1 while it goes on."""
    cause: String = ""
    """A sentence without its subject, which is the member: `has joined`."""
    member_id: String = ""
    """Of who caused it; empty where no member did."""
    client_id: String = ""
    client_host: String = ""
    members: Int32 = 0
    """How many the group has had since."""


class DescribeGroupHistoryResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20005
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    rebalances: Array[DescribedRebalance] = ()
    """The oldest first."""
