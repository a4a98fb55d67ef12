"""Resources that only the broker knows whose they are."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek_broker.apis import RequestContext
from odradek_broker.coordination.api_error import ApiError


def refuse_another_broker(name: str, context: RequestContext) -> None:
    """Raises ApiError, unless a resource of this name is this broker's."""
    if name != str(context.broker.node_id):
        sentence = f"this is broker {context.broker.node_id}, which knows nothing of {name!r}"
        raise ApiError(ErrorCode.INVALID_REQUEST, sentence)
