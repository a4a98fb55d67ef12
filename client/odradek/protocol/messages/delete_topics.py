"""DeleteTopics (API key 20), versions 1-6: delete topics.

Versions
    3 TOPIC_DELETION_DISABLED may be answered    4 flexible    5 error_message (KIP-599)
    6 by name or by id: topics instead of topic_names (KIP-516)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, NullableSince, Since, String, Until, Uuid


class DeleteTopicState(Struct, frozen=True):
    name: String | None = None
    """Null where the topic is named by its id."""
    topic_id: Uuid = ZERO_UUID


class DeleteTopicsRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20
    VERSIONS: ClassVar[range] = range(1, 7)
    FLEXIBLE: ClassVar[int | None] = 4

    topics: Annotated[Array[DeleteTopicState], Since(6)] = ()
    topic_names: Annotated[Array[String], Until(5)] = ()
    timeout_ms: Int32 = 0


class DeletableTopicResult(Struct, frozen=True):
    name: Annotated[String | None, NullableSince(6)] = ""
    topic_id: Annotated[Uuid, Since(6)] = ZERO_UUID
    error_code: Int16 = 0
    error_message: Annotated[String | None, Since(5)] = None


class DeleteTopicsResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 20
    VERSIONS: ClassVar[range] = range(1, 7)
    FLEXIBLE: ClassVar[int | None] = 4

    throttle_time_ms: Int32 = 0
    responses: Array[DeletableTopicResult] = ()
