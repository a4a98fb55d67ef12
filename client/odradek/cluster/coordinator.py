"""Where the coordinator of a group or transaction is, asked for when needed and forgotten when it has moved."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.connection import Reply
from odradek.cluster.metadata import BrokerAddress
from odradek.errors import CoordinatorUnavailable, OdradekError, broker_error
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse

R = TypeVar("R")

GROUP, TRANSACTION = 0, 1

OVERDUE_SECONDS = 1.0
"""How long an answer may take before it is asked, again and again, who coordinates."""
OFTEN_ENOUGH = 2
"""So often in a row another has to be named: one answer may be that of a broker that knows less than ours."""


class Coordinator:
    """One group's or transactional id's."""

    def __init__(self, cluster: Cluster, kind: int, key: str) -> None:
        self._cluster = cluster
        self._kind = kind
        self._key = key
        self._node_id: int | None = None
        self._who = f"coordinator of {key}"

    @property
    def node_id(self) -> int | None:
        return self._node_id

    def forget(self) -> None:
        """It has moved, or cannot be reached."""
        self._node_id = None

    async def find(self) -> int:
        """The coordinator's node id. Raises what a broker says, retriable while there is none."""
        if self._node_id is None:
            self._node_id = await self._named()
        return self._node_id

    async def _named(self) -> int:
        question = FindCoordinatorRequest(key=self._key, key_type=self._kind, coordinator_keys=[self._key])
        return self._take(await self._cluster.ask_first(question, FindCoordinatorResponse))

    def _take(self, answer: FindCoordinatorResponse) -> int:
        found = answer.coordinators[0] if answer.coordinators else answer
        if found.error_code:
            raise broker_error(found.error_code, self._who)
        self._cluster.image.take_brokers([BrokerAddress(found.node_id, found.host, found.port)])
        return found.node_id

    async def ask(
        self,
        message: ApiMessage,
        response: type[R],
        *,
        purpose: str,
        timeout_s: float,
        at_most: int | None = None,
        may_leave: bool = False,
    ) -> R:
        """Ask the coordinator, once. Raises ConnectionFailed, RequestTimedOut, CoordinatorUnavailable.

        `may_leave`: one that hangs is given up as if its time were over, once another coordinates.
        """
        node_id = await self.find()
        try:
            connection = await self._cluster.connection(node_id, purpose)
            version = connection.version_of(type(message), at_most)
            reply, sent_at = connection.submit(message, response, version), trio.current_time()
            if may_leave:
                await self._wait_while_it_coordinates(node_id, reply, sent_at + timeout_s)
            waited_s = trio.current_time() - sent_at
            return await reply.wait(0 if may_leave else timeout_s, waited_s)
        except OdradekError as error:
            if error.retriable:
                self.forget()
            raise

    async def _wait_while_it_coordinates(self, node_id: int, reply: Reply[R], deadline: float) -> None:
        """Until it is known what has become of the question, or its time is over, or another coordinates."""
        others = 0
        while not await reply.comes_within(min(OVERDUE_SECONDS, deadline - trio.current_time())):
            if trio.current_time() >= deadline or others == OFTEN_ENOUGH:
                return
            others = others + 1 if await self._another_is_named(node_id) else 0

    async def _another_is_named(self, node_id: int) -> bool:
        with trio.move_on_after(OVERDUE_SECONDS):
            try:
                return await self._named() != node_id
            except OdradekError:
                return False
        return False

    async def ask_until_answered(
        self,
        message: ApiMessage,
        response: type[R],
        code_of: Callable[[R], int],
        *,
        purpose: str = "",
        at_most: int | None = None,
        timeout_s: float = math.inf,
        on_failure: Callable[[OdradekError], None] = lambda _: None,
    ) -> R:
        """Ask, again and again while there is no coordinator. Errors of other kinds are the caller's to look at.

        Raises what was said last when the time is over. `on_failure` hears of each attempt that may have been carried
        out, and is made again.
        """
        deadline = trio.current_time() + timeout_s
        with self._cluster.activities.waiting(self._who, type(message).__name__):
            while True:
                try:
                    answer = await self.ask(
                        message,
                        response,
                        purpose=purpose,
                        timeout_s=self._cluster.request_timeout_s,
                        at_most=at_most,
                        may_leave=True,
                    )
                    code = code_of(answer)
                    error: OdradekError = broker_error(code, self._key)
                    if not isinstance(error, CoordinatorUnavailable):
                        return answer
                    self.forget()
                except OdradekError as failure:
                    if not failure.retriable:
                        raise
                    error = failure
                if trio.current_time() >= deadline:
                    raise error
                on_failure(error)
                self._cluster.activities.begin(self._who, str(error))
                await trio.sleep(self._cluster.backoff_s)

    async def ask_until_final(
        self,
        message: ApiMessage,
        response: type[R],
        code_of: Callable[[R], int],
        *,
        who: str = "",
        at_most: int | None = None,
        check: Callable[[], None] = lambda: None,
        timeout_s: float = math.inf,
        on_failure: Callable[[OdradekError], None] = lambda _: None,
    ) -> R:
        """Ask until there is an answer that is final, or the time is over. Raises it as an exception if it is an error.

        `check` raises where the question is no longer of interest, whatever the answer is.
        """
        deadline = trio.current_time() + timeout_s
        while True:
            check()
            answer = await self.ask_until_answered(
                message, response, code_of, at_most=at_most, timeout_s=timeout_s, on_failure=on_failure
            )
            check()
            code = code_of(answer)
            if not code:
                return answer
            error = broker_error(code, who or self._key)
            if not error.retriable or isinstance(error, CoordinatorUnavailable) or trio.current_time() >= deadline:
                raise error
            await trio.sleep(self._cluster.backoff_s)
