"""From a frame to the handler that answers it: header, version check and decoding, once for all APIs.

A message of few elements is read and written here and now. One of more than ELEMENTS_AT_ONCE takes a while, so that is
left to a worker: the loop is not held by it.
"""

from __future__ import annotations

from collections.abc import Sized
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from odradek.protocol.codec import TooManyElements, decode_prefix
from odradek.protocol.headers import encode_response, is_flexible, read_request_header, skip_tags
from odradek_broker.apis import Answer, Api, Caller, RequestContext, load_apis
from odradek_broker.apis.permissions.asking import Asking, asking_for
from odradek_broker.apis.permissions.guard import guard, is_long, is_long_to_finish
from odradek_broker.apis.permissions.rules import Finish
from odradek_broker.server.unsupported import Unsupported, unsupported

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage
    from odradek_broker.node.broker import Broker


ELEMENTS_AT_ONCE = 2_000
"""Read or written within a few milliseconds, whatever they are."""


class Call(Struct, frozen=True, gc=False):
    """A request that was understood, and all that is needed to answer it."""

    api: Api
    correlation_id: int
    request: Any
    context: RequestContext
    finish: Finish | None = None
    """What completes the handler's answer."""

    @property
    def answer_version(self) -> int:
        return self.context.version


class Forbidden(Struct, frozen=True, gc=False):
    """A request that no handler is to see, and its answer."""

    response: ApiMessage
    answer_version: int
    correlation_id: int


class Dispatcher:
    """Knows every API of this broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._apis = load_apis()

    async def read(self, frame: memoryview, caller: Caller) -> Call | Unsupported | Forbidden:
        """Understand one frame. Raises ProtocolError, as for an API or a version for which there is no answer at all.

        Waits only where the frame is large in elements; it has to stay as it is until then.
        """
        header, position = read_request_header(frame)
        api, version = self._apis.get(header.api_key), header.api_version
        if api is None or version not in api.versions:
            return unsupported(header, api)
        asking = None if self.broker.authorizer is None else asking_for(caller, self.broker.authorizer, self.broker)
        context = RequestContext(self.broker, self._apis, version, header.client_id, caller, asking)
        if is_flexible(api.request, version):
            position = skip_tags(frame, position)
        # Bytes behind the message are passed over, as Kafka does: librdkafka 2.16 leaves some behind Metadata v13.
        try:
            request, _ = decode_prefix(api.request, frame, version, position, ELEMENTS_AT_ONCE)
        except TooManyElements:
            read = partial(decode_prefix, api.request, frame, version, position)
            request, _ = await self.broker.looks.look(read)
        if asking is None:
            return Call(api, header.correlation_id, request, context)
        return await self._guard(Call(api, header.correlation_id, request, context), asking)

    async def _guard(self, call: Call, asking: Asking) -> Call | Forbidden:
        """What is left of it by what the caller may do."""
        version = call.context.version
        if is_long(call.request, asking):
            guarded = await self.broker.looks.look(partial(guard, call.request, version, asking))
        else:
            guarded = guard(call.request, version, asking)
        if guarded.answer is not None:
            return Forbidden(guarded.answer, version, call.correlation_id)
        return Call(call.api, call.correlation_id, guarded.request, call.context, guarded.finish)

    async def finish(self, finish: Finish, response: Answer) -> Answer:
        """The answer, completed. Raises ProtocolError where the caller is to lose its connection instead."""
        if response is not None and is_long_to_finish(response):
            return await self.broker.looks.look(partial(finish, response))
        completed: Answer = finish(response)
        return completed

    async def write(self, response: ApiMessage, version: int, correlation_id: int) -> list[Sized]:
        """The pieces of the answer's frame. Waits only where it is large in elements."""
        try:
            return encode_response(response, version, correlation_id, ELEMENTS_AT_ONCE)
        except TooManyElements:
            write = partial(encode_response, response, version, correlation_id)
            return await self.broker.looks.look(write)
