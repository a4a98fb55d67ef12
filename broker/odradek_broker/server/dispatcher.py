"""From a frame to the handler that answers it: header, version check and decoding, once for all APIs.

A message of few elements is read and written here and now. One of more than ELEMENTS_AT_ONCE takes a while, so that is
left to a worker: the loop is not held by it.
"""

from __future__ import annotations

import logging
from collections.abc import Sized
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from odradek.protocol.codec import decode_prefix
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import RequestHeader, encode_response, is_flexible, read_request_header, skip_tags
from odradek.protocol.messages.produce import ProduceRequest
from odradek.protocol.primitives import TooManyElements
from odradek_broker.apis import Answer, Api, Caller, RequestContext, load_apis
from odradek_broker.apis.permissions.asking import Asking, asking_for
from odradek_broker.apis.permissions.guard import finish_all, guard, is_long, is_long_to_finish, is_permitted_as_before
from odradek_broker.apis.permissions.rules import Finish
from odradek_broker.apis.permissions.table import PERMISSIONS
from odradek_broker.server.mutations import admit
from odradek_broker.server.throttling import Throttling, Usage, told
from odradek_broker.server.unsupported import Unsupported, unsupported

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage
    from odradek_broker.node.broker import Broker
    from odradek_broker.security.authorizer import Authorizer


logger = logging.getLogger(__name__)

BETWEEN_WARNINGS_MS = 60_000
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
    usage: Usage | None = None
    """What counts towards quotas; None where there are none."""

    @property
    def answer_version(self) -> int:
        return self.context.version


class Forbidden(Struct, frozen=True, gc=False):
    """A request that no handler is to see, and its answer."""

    response: ApiMessage
    answer_version: int
    correlation_id: int
    usage: Usage | None = None


class Dispatcher:
    """Knows every API of this broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._apis = load_apis()
        self._produce = self._apis[ProduceRequest.API_KEY]
        self.throttling = Throttling()
        self._silent_until_ms = 0
        """No warning about who is no broker before that."""

    async def read(self, frame: memoryview, caller: Caller) -> Call | Unsupported | Forbidden:
        """Understand one frame. Raises ProtocolError, as for an API or a version for which there is no answer at all.

        Waits only where the frame is large in elements; it has to stay as it is until then.
        """
        is_large, alike = False, caller.produced.read(frame)
        if alike is not None:
            header, request = alike
            api, version = self._produce, header.api_version
        else:
            header, position = read_request_header(frame)
            found, version = self._apis.get(header.api_key), header.api_version
            if found is None or version not in found.versions:
                return unsupported(header, found)
            api = found
            request, is_large = await self._decoded(api, frame, header, position)
            if api is self._produce:
                caller.produced.note(frame, header, request)
        asking = None if self.broker.authorizer is None else self._asking(caller, self.broker.authorizer, api)
        context = RequestContext(self.broker, self._apis, version, header.client_id, caller, asking)
        usage = self.throttling.usage(request, context, len(frame)) if self.broker.image.quotas else None
        call = Call(api, header.correlation_id, request, context, usage=usage)
        if api.for_brokers and not context.by_broker:
            return self._refused(call)
        if asking is not None and not is_permitted_as_before(request, asking):
            guarded = await self._guard(call, asking, is_large=is_large)
            if isinstance(guarded, Forbidden):
                return guarded
            call = guarded
        return call if usage is None else self._admit(call, usage)

    async def _decoded(self, api: Api, frame: memoryview, header: RequestHeader, position: int) -> tuple[Any, bool]:
        """The request, and whether it is large in elements.

        Bytes behind it are passed over, as Kafka does: librdkafka 2.16 leaves some behind Metadata v13.
        """
        version = header.api_version
        if is_flexible(api.request, version):
            position = skip_tags(frame, position)
        try:
            return decode_prefix(api.request, frame, version, position, ELEMENTS_AT_ONCE)[0], False
        except TooManyElements:
            read = partial(decode_prefix, api.request, frame, version, position)
            return (await self.broker.looks.look(read))[0], True

    def _asking(self, caller: Caller, authorizer: Authorizer, api: Api) -> Asking:
        return asking_for(caller, api.name, authorizer, self.broker.context, self.broker.audit_log)

    def _refused(self, call: Call) -> Forbidden:
        """To who is no broker. One whose settings are not right is among them, so that is to be seen in the log."""
        caller, now_ms = call.context.caller, self.broker.clock.monotonic_ms()
        if now_ms >= self._silent_until_ms:
            self._silent_until_ms = now_ms + BETWEEN_WARNINGS_MS
            who = (str(caller.principal), caller.peer[0], caller.listener)
            logger.warning(
                "%s, who came from %s by %s, is not taken for a broker, and asks what only brokers ask", *who
            )
        version, refuse = call.context.version, PERMISSIONS[call.api.request].refuse
        answer = refuse(call.request, version, ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
        return Forbidden(answer, version, call.correlation_id, call.usage)

    async def _guard(self, call: Call, asking: Asking, *, is_large: bool) -> Call | Forbidden:
        """What is left of it by what the caller may do. `is_large`: of many elements, wherever in it they are."""
        version = call.context.version
        if is_large or is_long(call.request, asking):
            guarded = await self.broker.looks.look(partial(guard, call.request, version, asking))
        else:
            guarded = guard(call.request, version, asking)
        if guarded.answer is not None:
            return Forbidden(guarded.answer, version, call.correlation_id, call.usage)
        if guarded.finish is None and guarded.request is call.request:
            return call
        return structs.replace(call, request=guarded.request, finish=guarded.finish)

    def _admit(self, call: Call, usage: Usage) -> Call:
        """What is left of it by how much the caller may change."""
        broker = self.broker
        now_ms = broker.clock.monotonic_ms()
        ruling = admit(call.request, call.context.version, usage, self.throttling, broker.image, broker.config, now_ms)
        if ruling.finish is None:
            return call
        finishes = [finish for finish in (call.finish, ruling.finish) if finish is not None]
        return structs.replace(call, request=ruling.request, finish=partial(finish_all, finishes))

    def settle(self, usage: Usage, response: Answer, now_ms: int) -> tuple[Answer, int]:
        """The answer, and how long its connection is not to be read after it."""
        throttle_ms = self.throttling.settle(usage, response, self.broker.image, self.broker.config, now_ms)
        return told(response, throttle_ms), throttle_ms

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
