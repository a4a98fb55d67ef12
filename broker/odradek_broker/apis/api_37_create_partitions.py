"""CreatePartitions (API key 37), versions 0-3: give topics more partitions.

Behaviour
    Topics are decided one by one (controller/create_partitions.py has the rules); a bad one never fails its neighbours.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every topic, and nothing is made
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    2 flexible    3 THROTTLING_QUOTA_EXCEEDED (never used)
"""

from __future__ import annotations

from odradek.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopicResult,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = CreatePartitionsRequest, range(4)


async def handle(request: CreatePartitionsRequest, context: RequestContext) -> CreatePartitionsResponse:
    try:
        response = await context.broker.controller.ask(request, CreatePartitionsResponse, context.version)
        await context.broker.replica_logs.wait_opened({topic.name for topic in response.results})
        return response
    except ControllerUnavailable as error:
        code, message = error.error_code, str(error)
        return CreatePartitionsResponse(
            results=[
                CreatePartitionsTopicResult(name=topic.name, error_code=code, error_message=message)
                for topic in request.topics
            ]
        )
