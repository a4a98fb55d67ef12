"""What anybody may ask a broker so that the answer tells whether it was permitted, and changes nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from odradek.protocol.acl import CLUSTER_NAME, Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import (
    create_partitions,
    describe_acls,
    describe_configs,
    fetch,
    find_coordinator,
    heartbeat,
    list_offsets,
    produce,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record

REFUSALS = {
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
}
TOPIC_CONFIGS = 2


class Question(NamedTuple):
    operation: Operation
    resource_type: ResourceType
    ask: Callable[[str], Any]
    """The request, for the name of a resource."""
    answer: type[Any]
    version: int


def _produce(topic: str) -> produce.ProduceRequest:
    batch = build_batch([Record(timestamp=1, value=b"v")])
    data = [produce.TopicProduceData(topic, partition_data=[produce.PartitionProduceData(0, batch)])]
    return produce.ProduceRequest(None, 1, 1_000, data)


def _fetch(topic: str) -> fetch.FetchRequest:
    wanted = fetch.FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1)
    return fetch.FetchRequest(max_wait_ms=0, min_bytes=0, topics=[fetch.FetchTopic(topic=topic, partitions=[wanted])])


def _list_offsets(topic: str) -> list_offsets.ListOffsetsRequest:
    wanted = [list_offsets.ListOffsetsPartition(0, timestamp=-1)]
    return list_offsets.ListOffsetsRequest(-1, topics=[list_offsets.ListOffsetsTopic(topic, wanted)])


def _create_partitions(topic: str) -> create_partitions.CreatePartitionsRequest:
    wanted = create_partitions.CreatePartitionsTopic(topic, 0, None)
    return create_partitions.CreatePartitionsRequest([wanted], 1_000, validate_only=True)


def _describe_configs(topic: str) -> describe_configs.DescribeConfigsRequest:
    return describe_configs.DescribeConfigsRequest(
        [describe_configs.DescribeConfigsResource(TOPIC_CONFIGS, topic, ["retention.ms"])]
    )


def _describe_acls(_: str) -> describe_acls.DescribeAclsRequest:
    return describe_acls.DescribeAclsRequest(2, "nothing", 3, None, None, 1, 1)


QUESTIONS = (
    Question(Operation.WRITE, ResourceType.TOPIC, _produce, produce.ProduceResponse, 9),
    Question(Operation.READ, ResourceType.TOPIC, _fetch, fetch.FetchResponse, 11),
    Question(Operation.DESCRIBE, ResourceType.TOPIC, _list_offsets, list_offsets.ListOffsetsResponse, 7),
    Question(Operation.ALTER, ResourceType.TOPIC, _create_partitions, create_partitions.CreatePartitionsResponse, 3),
    Question(
        Operation.DESCRIBE_CONFIGS, ResourceType.TOPIC, _describe_configs, describe_configs.DescribeConfigsResponse, 4
    ),
    Question(
        Operation.DESCRIBE,
        ResourceType.GROUP,
        find_coordinator.FindCoordinatorRequest,
        find_coordinator.FindCoordinatorResponse,
        3,
    ),
    Question(
        Operation.READ,
        ResourceType.GROUP,
        lambda group: heartbeat.HeartbeatRequest(group, 1, "nobody"),
        heartbeat.HeartbeatResponse,
        4,
    ),
    Question(Operation.DESCRIBE, ResourceType.CLUSTER, _describe_acls, describe_acls.DescribeAclsResponse, 3),
)
NAMES = {
    ResourceType.TOPIC: ("orders", "orders-eu", "other"),
    ResourceType.GROUP: ("orders", "others"),
    ResourceType.CLUSTER: (CLUSTER_NAME,),
}
"""Of what is asked for."""


def was_permitted(answer: Any) -> bool:
    return not any(code in REFUSALS for code in _codes(answer))


def _codes(value: Any) -> Iterator[int]:
    if isinstance(value, Struct):
        if hasattr(value, "error_code"):
            yield value.error_code
        for name in value.__struct_fields__:
            yield from _codes(getattr(value, name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _codes(each)
