"""Which request and response an API key stands for.

Only the messages that somebody asks for are imported, so that a client which produces need not wait for the dozens that
it never sends.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

API_NAMES: dict[int, str] = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    15: "DescribeGroups",
    16: "ListGroups",
    17: "SaslHandshake",
    18: "ApiVersions",
    19: "CreateTopics",
    20: "DeleteTopics",
    21: "DeleteRecords",
    22: "InitProducerId",
    23: "OffsetForLeaderEpoch",
    24: "AddPartitionsToTxn",
    25: "AddOffsetsToTxn",
    26: "EndTxn",
    27: "WriteTxnMarkers",
    28: "TxnOffsetCommit",
    29: "DescribeAcls",
    30: "CreateAcls",
    31: "DeleteAcls",
    32: "DescribeConfigs",
    33: "AlterConfigs",
    34: "AlterReplicaLogDirs",
    35: "DescribeLogDirs",
    36: "SaslAuthenticate",
    37: "CreatePartitions",
    38: "CreateDelegationToken",
    39: "RenewDelegationToken",
    40: "ExpireDelegationToken",
    41: "DescribeDelegationToken",
    42: "DeleteGroups",
    43: "ElectLeaders",
    44: "IncrementalAlterConfigs",
    45: "AlterPartitionReassignments",
    46: "ListPartitionReassignments",
    47: "OffsetDelete",
    48: "DescribeClientQuotas",
    49: "AlterClientQuotas",
    50: "DescribeUserScramCredentials",
    51: "AlterUserScramCredentials",
    55: "DescribeQuorum",
    56: "AlterPartition",
    57: "UpdateFeatures",
    60: "DescribeCluster",
    61: "DescribeProducers",
    62: "BrokerRegistration",
    63: "BrokerHeartbeat",
    64: "UnregisterBroker",
    65: "DescribeTransactions",
    66: "ListTransactions",
    67: "AllocateProducerIds",
    68: "ConsumerGroupHeartbeat",
    69: "ConsumerGroupDescribe",
    71: "GetTelemetrySubscriptions",
    72: "PushTelemetry",
    74: "ListConfigResources",
    75: "DescribeTopicPartitions",
    76: "ShareGroupHeartbeat",
    77: "ShareGroupDescribe",
    78: "ShareFetch",
    79: "ShareAcknowledge",
    83: "InitializeShareGroupState",
    84: "ReadShareGroupState",
    85: "WriteShareGroupState",
    86: "DeleteShareGroupState",
    87: "ReadShareGroupStateSummary",
    90: "DescribeShareGroupOffsets",
    91: "AlterShareGroupOffsets",
    92: "DeleteShareGroupOffsets",
}
"""Kafka's name of each API whose messages are in odradek.protocol.messages, by key."""

OWN_API_NAMES: dict[int, str] = {
    20004: "CountRecords",
    20005: "DescribeGroupHistory",
    20006: "DescribeLoop",
}
"""What Odradek's client asks and Kafka does not have."""


def api_name(api_key: int) -> str:
    """Kafka's name of the API, or a makeshift one for a key that we have no messages for."""
    return _name_of(api_key) or f"API key {api_key}"


def _name_of(api_key: int) -> str | None:
    return API_NAMES.get(api_key) or OWN_API_NAMES.get(api_key)


def request_class(api_key: int) -> type[Any]:
    """The request's class. Raises KeyError for a key that has no name here."""
    return _message_class(api_key, "Request")


def response_class(api_key: int) -> type[Any]:
    """The response's class. Raises KeyError for a key that has no name here."""
    return _message_class(api_key, "Response")


@cache
def _message_class(api_key: int, suffix: str) -> type[Any]:
    name = _name_of(api_key)
    if name is None:
        raise KeyError(api_key)
    module_name = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    module = importlib.import_module(f"odradek.protocol.messages.{module_name}")
    found: type[Any] = getattr(module, name + suffix)
    return found
