"""One TCP connection to one broker: frames, correlation ids, pipelining, versions, timeouts.

A request is queued by plain `submit` and answered through the Reply that it returns, so many can be on their way at
once and the order of submission is the order on the wire. Two tasks, both inside of `run`: one writes what is queued,
one reads answers and gives them to their replies.

Invariants
    Answers come in the order of their requests (Kafka promises it); any other correlation id ends the connection.
    A caller that is cancelled harms nobody: its frame is still sent whole, its answer is read and dropped.
    When the connection ends, every reply still open fails with ConnectionFailed; none is left waiting.
    A request that is not answered in time ends the connection, since all behind it would wait as well.
"""

from __future__ import annotations

import logging
import struct
from collections import deque
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import trio

from odradek.cluster.frames import FrameReceiver
from odradek.cluster.versions import ApiRanges
from odradek.errors import BadAnswer, ConnectionFailed, OdradekError, RequestTimedOut, broker_error
from odradek.first_error import first_error
from odradek.network import Stream
from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage, encode_request, read_response_header
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.primitives import ProtocolError
from odradek.wakeup import Wakeup

logger = logging.getLogger(__name__)

R = TypeVar("R")

MAX_FRAME_BYTES = 256 * 1024 * 1024
"""The largest answer that is read. Kafka's own fetch.max.bytes is 55 MiB, plus one oversized batch."""

SOFTWARE_NAME = "odradek"
SOFTWARE_VERSION = "0.1.0"


class Reply(Generic[R]):
    """What will become of one request."""

    __slots__ = ("_connection", "_error", "_event", "_value", "correlation_id", "response", "version")

    def __init__(self, connection: Connection, response: type[R] | None, version: int, correlation_id: int) -> None:
        self.response = response
        self.version = version
        self.correlation_id = correlation_id
        self._connection = connection
        self._event = trio.Event()
        self._value: R | None = None
        self._error: OdradekError | None = None

    async def wait(self, timeout_s: float, waited_s: float = 0.0) -> R:
        """The answer. Raises ConnectionFailed, or RequestTimedOut (and then ends the connection).

        `waited_s`: for how long it has been waited for before.
        """
        if not await self.comes_within(timeout_s):
            error = RequestTimedOut(f"no answer from {self._connection.name} within {waited_s + timeout_s:.4g} s")
            self._connection.close(error)
            raise error
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    async def comes_within(self, seconds: float) -> bool:
        """Whether it is known what has become of it before so much time is over; the connection goes on in any case.

        Below 0, whether it is known now.
        """
        if not self._event.is_set():
            with trio.move_on_after(max(0.0, seconds)):
                await self._event.wait()
        return self._event.is_set()

    def settle(self, value: R | None) -> None:
        self._value = value
        self._event.set()

    def fail(self, error: OdradekError) -> None:
        self._error = error
        self._event.set()


class Connection:
    """Made by `open_connection`; alive for as long as `run` runs."""

    def __init__(self, stream: Stream, name: str, client_id: str | None) -> None:
        self.name = name
        self.ranges = ApiRanges.unknown()
        self.opened_at = trio.current_time()
        self._stream = stream
        self._client_id = client_id
        self._frames = FrameReceiver(MAX_FRAME_BYTES)
        self._outgoing: deque[tuple[list[Sized], Reply[Any] | None]] = deque()
        self._unanswered: deque[Reply[Any]] = deque()
        self._to_write = Wakeup()
        self._scope = trio.CancelScope()
        self._next_correlation_id = 0
        self._ended: OdradekError | None = None
        self._over = trio.Event()
        self._held: deque[tuple[ApiMessage, Reply[Any]]] | None = None
        """What has to wait until a new login is done."""

    @property
    def is_open(self) -> bool:
        return self._ended is None

    async def wait_ended(self) -> None:
        await self._over.wait()

    @property
    def unanswered_count(self) -> int:
        return len(self._unanswered)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve the connection until it ends. Raises nothing that the network or the broker can cause."""
        reason: OdradekError = ConnectionFailed(f"the connection to {self.name} was closed")
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._read)
                    task_status.started()
        except* (OSError, trio.ClosedResourceError) as errors:
            reason = ConnectionFailed(f"lost the connection to {self.name}: {first_error(errors)}")
        except* ProtocolError as errors:
            reason = ConnectionFailed(f"{self.name} broke the protocol: {first_error(errors)}")
            logger.warning("%s", reason)
        finally:
            self._end(reason)

    def close(self, reason: OdradekError | None = None) -> None:
        """End the connection now; open replies fail."""
        self._end(reason or ConnectionFailed(f"the connection to {self.name} was closed"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within it only `request_alone` sends; what is submitted meanwhile is sent afterwards."""
        self._held = deque()
        try:
            yield
        finally:
            held, self._held = self._held, None
            for message, reply in held:
                if self._ended is not None:
                    reply.fail(self._ended)
                    continue
                try:
                    self._queue(message, reply)
                except BadAnswer as error:  # it concerns whoever waits for this one
                    reply.fail(error)

    def version_of(self, request: type[ApiMessage], at_most: int | None = None) -> int:
        """The version in which to send. Raises UnsupportedVersion."""
        return self.ranges.pick(request, at_most)

    def submit(self, message: ApiMessage, response: type[R], version: int | None = None) -> Reply[R]:
        """Queue a request; it is sent in the order of these calls.

        Raises ConnectionFailed, UnsupportedVersion, and BadAnswer where it has a value that the version cannot hold.
        """
        reply = self._reply_for(message, response, version)
        if self._held is None:
            self._queue(message, reply)
        else:
            self._held.append((message, reply))
        return reply

    def submit_unanswered(self, message: ApiMessage, version: int | None = None) -> Reply[None]:
        """Queue a request that no answer will come for; its reply settles when the bytes are sent."""
        reply: Reply[None] = self._reply_for(message, None, version)
        if self._held is None:
            self._queue(message, reply)
        else:
            self._held.append((message, reply))
        return reply

    async def request(self, message: ApiMessage, response: type[R], timeout_s: float, version: int | None = None) -> R:
        """Send and wait. Raises ConnectionFailed, RequestTimedOut, UnsupportedVersion."""
        return await self.submit(message, response, version).wait(timeout_s)

    async def request_alone(
        self, message: ApiMessage, response: type[R], timeout_s: float, version: int | None = None
    ) -> R:
        """As `request`, and within `alone` too."""
        reply: Reply[R] = self._reply_for(message, response, version)
        self._queue(message, reply)
        return await reply.wait(timeout_s)

    async def negotiate(self, timeout_s: float) -> None:
        """Ask what the broker speaks, as KIP-511 wants it asked."""
        version = ApiVersionsRequest.VERSIONS[-1]
        for _ in range(3):
            question = ApiVersionsRequest(
                client_software_name=SOFTWARE_NAME if version >= 3 else "",
                client_software_version=SOFTWARE_VERSION if version >= 3 else "",
            )
            answer = await self.request(question, ApiVersionsResponse, timeout_s, version)
            if answer.error_code == ErrorCode.NONE:
                self.ranges = ApiRanges.of(answer)
                return
            if answer.error_code != ErrorCode.UNSUPPORTED_VERSION:
                break
            theirs = next((api.max_version for api in answer.api_keys if api.api_key == 18), 0)
            version = max(0, min(version - 1, theirs))
        raise broker_error(answer.error_code, f"ApiVersions at {self.name}")

    # -------------------------------------------------------------------------------------------- inside

    def _reply_for(self, message: ApiMessage, response: Any, version: int | None) -> Reply[Any]:
        if self._ended is not None:
            raise self._ended
        if version is None:
            version = self.ranges.pick(type(message))
        self._next_correlation_id = (self._next_correlation_id + 1) & 0x7FFFFFFF
        return Reply(self, response, version, self._next_correlation_id)

    def _queue(self, message: ApiMessage, reply: Reply[Any]) -> None:
        try:
            pieces = encode_request(message, reply.version, reply.correlation_id, self._client_id)
        except struct.error as error:  # what earlier answers, or the program, have told us to say
            raise BadAnswer(f"{type(message).__name__} cannot be said to {self.name}: {error}") from error
        if reply.response is None:
            self._outgoing.append((pieces, reply))
        else:
            self._outgoing.append((pieces, None))
            self._unanswered.append(reply)
        self._to_write.set()

    async def _write(self) -> None:
        while True:
            while self._outgoing:
                pieces, reply = self._outgoing.popleft()
                await self._stream.send(pieces)
                if reply is not None:
                    reply.settle(None)
            await self._to_write.wait()

    async def _read(self) -> None:
        while True:
            frame = self._frames.next_frame()
            if frame is not None:
                self._take(frame)
                continue
            count = await self._stream.receive_into(self._frames.room())
            if count == 0:
                raise OSError("the broker closed it")
            self._frames.received(count)

    def _take(self, frame: memoryview) -> None:
        if not self._unanswered:
            raise ProtocolError("an answer to nothing")
        reply = self._unanswered[0]
        assert reply.response is not None
        version = reply.version
        if reply.response is ApiVersionsResponse and bytes(frame[4:6]) == b"\0\x23":
            version = 0  # KIP-511: a broker that does not know the version answers in the oldest one
        correlation_id, position = read_response_header(frame, reply.response, version)
        if correlation_id != reply.correlation_id:
            raise ProtocolError(f"answer {correlation_id} where {reply.correlation_id} was due")
        value = decode(reply.response, frame, version, position)
        self._unanswered.popleft().settle(value)

    def _end(self, reason: OdradekError) -> None:
        if self._ended is None:
            self._ended = reason
            self._over.set()
            self._stream.close()
            self._scope.cancel()
            for _, reply in self._outgoing:
                if reply is not None:
                    reply.fail(reason)
            for reply in self._unanswered:
                reply.fail(reason)
            self._outgoing.clear()
            self._unanswered.clear()
