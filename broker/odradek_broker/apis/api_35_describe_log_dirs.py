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

REQUEST, VERSIONS = DescribeLogDirsRequest, range(1, 6)

UNKNOWN_BYTES = -1


def handle(request: DescribeLogDirsRequest, context: RequestContext) -> DescribeLogDirsResponse:
    image = context.broker.image
    if request.topics is None:
        wanted = {name: list(topic.partitions) for name, topic in image.topics.items()}
    else:
        wanted = {topic.topic: list(topic.partitions) for topic in request.topics}
    topics = [
        DescribeLogDirsTopic(name=name, partitions=_partitions(name, indexes, context))
        for name, indexes in wanted.items()
    ]
    directory = context.broker.config.data_directory
    total_bytes, usable_bytes = _room(directory, context)
    result = DescribeLogDirsResult(
        log_dir=os.path.abspath(directory),
        topics=[topic for topic in topics if topic.partitions],
        total_bytes=total_bytes,
        usable_bytes=usable_bytes,
    )
    return DescribeLogDirsResponse(results=[result])


def _partitions(topic: str, indexes: list[int], context: RequestContext) -> list[DescribeLogDirsPartition]:
    found = [(index, context.broker.partition(topic, index)) for index in indexes]
    return [
        DescribeLogDirsPartition(partition_index=index, partition_size=partition.log.size_bytes)
        for index, partition in found
        if not isinstance(partition, ErrorCode)
    ]


def _room(directory: str, context: RequestContext) -> tuple[int, int]:
    """Bytes in all, and those that are free."""
    disk = context.broker.disk
    try:
        return disk.total_bytes(directory), disk.free_bytes(directory)
    except OSError:
        return UNKNOWN_BYTES, UNKNOWN_BYTES
