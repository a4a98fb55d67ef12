"""DeleteTopics (API key 20), versions 1-6: delete topics.

Behaviour
    Topics are decided one by one (controller/delete_topics.py has the rules); a bad one never fails its neighbours.
    The journal cannot be written    KAFKA_STORAGE_ERROR for every topic, and nothing is deleted
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    3 TOPIC_DELETION_DISABLED (INVALID_REQUEST before)    4 flexible    5 error messages    6 topics by id
"""

from __future__ import annotations

from odradek.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = DeleteTopicsRequest, range(1, 7)


async def handle(request: DeleteTopicsRequest, context: RequestContext) -> DeleteTopicsResponse:
    try:
        return await context.broker.controller.ask(request, DeleteTopicsResponse, context.version)
    except ControllerUnavailable as error:
        code, message = error.error_code, str(error)
        states = [*request.topics, *(DeleteTopicState(name=name) for name in request.topic_names)]
        return DeleteTopicsResponse(
            responses=[
                DeletableTopicResult(name=state.name, topic_id=state.topic_id, error_code=code, error_message=message)
                for state in states
            ]
        )
