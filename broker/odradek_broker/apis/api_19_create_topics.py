"""CreateTopics (API key 19), versions 2-7: make topics.

Behaviour
    Topics are decided one by one (controller/create_topics.py has the rules); a bad one never fails its neighbours.
    The answer comes when the topics can be used, or some seconds after they were made where our disk hangs.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every topic, and nothing is made
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    4 -1 for the defaults (taken in any version)    5 counts and configs in the answer    7 topic ids
"""

from __future__ import annotations

from odradek.protocol.messages.create_topics import CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = CreateTopicsRequest, range(2, 8)


async def handle(request: CreateTopicsRequest, context: RequestContext) -> CreateTopicsResponse:
    try:
        response = await context.broker.controller.ask(request, CreateTopicsResponse, context.version)
        await context.broker.replica_logs.wait_opened({topic.name for topic in response.topics})
        return response
    except ControllerUnavailable as error:
        code, message = error.error_code, str(error)
        return CreateTopicsResponse(
            topics=[
                CreatableTopicResult(name=topic.name, error_code=code, error_message=message)
                for topic in request.topics
            ]
        )
