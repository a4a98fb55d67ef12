"""The answer to a request that is not answered here: UNSUPPORTED_VERSION, in the request's own form.

A client that asks for something it does not depend on would otherwise see a broken connection. Some requests cannot be
answered so: those of APIs that nobody here knows, in versions that nobody knows, and those whose answer has no error of
its own. These end the connection, as with Kafka.
"""

from __future__ import annotations

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage, RequestHeader
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.registry import api_name, response_class
from odradek_broker.apis import Api
from odradek_broker.apis.api_18_api_versions import REQUEST as API_VERSIONS_REQUEST
from odradek_broker.apis.api_18_api_versions import refuse_version


class Unsupported(Struct, frozen=True, gc=False):
    """What to answer instead."""

    response: ApiMessage
    answer_version: int
    correlation_id: int
    sentence: str
    """What was asked for."""


def unsupported(header: RequestHeader, api: Api | None) -> Unsupported:
    """Raises ProtocolError where no answer can say it."""
    sentence = f"{api_name(header.api_key)} in version {header.api_version}, which is not supported"
    if api is not None and api.request is API_VERSIONS_REQUEST:
        return Unsupported(refuse_version(api), 0, header.correlation_id, sentence)
    try:
        answer = response_class(header.api_key)
    except KeyError:
        raise ProtocolError(sentence) from None
    if header.api_version not in answer.VERSIONS or "error_code" not in answer.__struct_fields__:
        raise ProtocolError(sentence)
    refusal = answer(error_code=ErrorCode.UNSUPPORTED_VERSION)
    return Unsupported(refusal, header.api_version, header.correlation_id, sentence)
