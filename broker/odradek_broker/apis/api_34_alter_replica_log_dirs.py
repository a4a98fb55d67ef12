"""AlterReplicaLogDirs (API key 34), versions 1-2: move replicas to another directory of the same broker.

Behaviour
    A broker has one directory.
    That directory                   nothing to do; for a replica that is not here: what the partition answers
    Any other                        LOG_DIR_NOT_FOUND
Versions
    2 flexible
"""

from __future__ import annotations

import os

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = AlterReplicaLogDirsRequest, range(1, 3)


def handle(request: AlterReplicaLogDirsRequest, context: RequestContext) -> AlterReplicaLogDirsResponse:
    return AlterReplicaLogDirsResponse(
        results=[each for directory in request.dirs for each in _topics(directory, context)]
    )


def _topics(directory: AlterReplicaLogDir, context: RequestContext) -> list[AlterReplicaLogDirTopicResult]:
    ours = directory.path == os.path.abspath(context.broker.config.data_directory)
    return [
        AlterReplicaLogDirTopicResult(
            topic_name=topic.name,
            partitions=[
                AlterReplicaLogDirPartitionResult(
                    partition_index=index,
                    error_code=_here(topic.name, index, context) if ours else ErrorCode.LOG_DIR_NOT_FOUND,
                )
                for index in topic.partitions
            ],
        )
        for topic in directory.topics
    ]


def _here(topic: str, index: int, context: RequestContext) -> ErrorCode:
    partition = context.broker.replicas.partition(topic, index)
    return partition if isinstance(partition, ErrorCode) else ErrorCode.NONE
