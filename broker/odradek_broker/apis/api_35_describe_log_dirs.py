"""DescribeLogDirs (API key 35), versions 1-5: how large the partitions on this broker's disk are, and the disk itself.

Behaviour
    Null topics are all of them; partitions that are not on this broker are left out. The sizes are those of the logs.
Versions
    2 flexible    3 an error of the whole answer    4 bytes in all and usable (KIP-827)    5 cordoned directories
"""

from __future__ import annotations

import os

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from odradek_broker.apis import RequestContext
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = DescribeLogDirsRequest, range(1, 6)

UNKNOWN_BYTES = -1


async def handle(request: DescribeLogDirsRequest, context: RequestContext) -> DescribeLogDirsResponse:
    image = context.broker.image
    if request.topics is None:
        wanted = {name: list(topic.partitions) for name, topic in image.topics.items()}
    else:
        wanted = {topic.topic: list(topic.partitions) for topic in request.topics}
    slices, topics = Slices(), []
    for name, indexes in wanted.items():
        topics.append(DescribeLogDirsTopic(name=name, partitions=await _partitions(name, indexes, slices, context)))
        await slices.pay()
    return DescribeLogDirsResponse(results=[_result([topic for topic in topics if topic.partitions], context)])


def _result(topics: list[DescribeLogDirsTopic], context: RequestContext) -> DescribeLogDirsResult:
    directory = context.broker.config.data_directory
    total_bytes, usable_bytes = _room(directory, context)
    return DescribeLogDirsResult(
        log_dir=os.path.abspath(directory), topics=topics, total_bytes=total_bytes, usable_bytes=usable_bytes
    )


async def _partitions(
    topic: str, indexes: list[int], slices: Slices, context: RequestContext
) -> list[DescribeLogDirsPartition]:
    described = []
    for index in indexes:
        partition = context.broker.replicas.partition(topic, index)
        if not isinstance(partition, ErrorCode):
            size_bytes = partition.log.size_bytes
            described.append(DescribeLogDirsPartition(partition_index=index, partition_size=size_bytes))
        await slices.pay()
    return described


def _room(directory: str, context: RequestContext) -> tuple[int, int]:
    """Bytes in all, and those that are free."""
    disk = context.broker.disk
    try:
        return disk.total_bytes(directory), disk.free_bytes(directory)
    except OSError:
        return UNKNOWN_BYTES, UNKNOWN_BYTES
