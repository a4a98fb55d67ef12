"""What the APIs of delegation tokens (38 to 41) have in common: who may ask, and how the controller is asked.

Whoever has not said who they are, or has said so by a token, may not: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED. So no token
begets another, and no stolen one lives longer than it would. No controller answers: REQUEST_TIMED_OUT.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.security.principal import ANONYMOUS

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage

R = TypeVar("R", bound=Struct)


def may_ask(context: RequestContext) -> bool:
    """Whether whoever asks may be given tokens, or anything else about them."""
    caller = context.caller
    return caller.principal != ANONYMOUS and (caller.login is None or not caller.login.by_token)


async def decided(request: ApiMessage, context: RequestContext, answer: type[R], refuse: Callable[[ErrorCode], R]) -> R:
    """The controller's answer to a request of controller/delegation_tokens.py, or ours where it is not to be asked."""
    if not may_ask(context):
        return refuse(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
    try:
        return await context.broker.controller.ask(request, answer, request.VERSIONS.start)
    except ControllerUnavailable as error:
        return refuse(error.error_code)
