"""Asks coordinators for a transactional producer, until there is an answer that is final.

The transaction's own coordinator is believed when it says that the producer is fenced; then it is asked by whom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import TRANSACTION, Coordinator
from odradek.errors import BrokerError, EndedBy, OdradekError, ProducerFenced, TransactionAborted
from odradek.producer.fencing import who_ended
from odradek.producer.transaction_state import FENCED_CODES, TransactionState
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse

R = TypeVar("R")

WHO_S = 5.0
"""How long it is asked who has fenced us; all that waits for it is the text of an error."""


class TransactionAsker:
    """For one transactional id."""

    def __init__(self, cluster: Cluster, transactional_id: str, timeout_ms: int, core: TransactionState) -> None:
        self.coordinator = Coordinator(cluster, TRANSACTION, transactional_id)
        self._cluster = cluster
        self._transactional_id = transactional_id
        self._name = f"transactional id {transactional_id}"
        self._timeout_ms = timeout_ms
        self._core = core

    async def add(
        self,
        coordinator: Coordinator,
        request: ApiMessage,
        response: type[R],
        code_of: Callable[[R], int],
        at_most: int | None = None,
    ) -> None:
        """Ask for the open transaction. Raises TransactionAborted where it ends before there is an answer."""
        number = self._core.number

        def check() -> None:
            self._core.check_open(number)

        await coordinator.ask_until_final(request, response, code_of, who=self._name, at_most=at_most, check=check)

    async def ask(
        self,
        request: ApiMessage,
        response: type[R],
        code_of: Callable[[R], int],
        at_most: int,
        *,
        timeout_s: float = math.inf,
        on_failure: Callable[[OdradekError], None] = lambda _: None,
    ) -> R:
        """Ask the transaction's coordinator, whose word on the producer is final. Raises ProducerFenced."""
        try:
            return await self.coordinator.ask_until_final(
                request,
                response,
                code_of,
                who=self._name,
                at_most=at_most,
                timeout_s=timeout_s,
                on_failure=on_failure,
            )
        except BrokerError as error:
            if error.code not in FENCED_CODES:
                raise
            raise self._core.fence(self._fenced(error, await self.who())) from error

    # ------------------------------------------------------------------------------------------------ being fenced

    async def who(self) -> EndedBy:
        """Has ended the transaction over our head. Not known where the coordinator does not answer at once."""
        open_s = trio.current_time() - self._core.begun_at
        try:
            answer = await self.coordinator.ask(
                DescribeTransactionsRequest([self._transactional_id]),
                DescribeTransactionsResponse,
                purpose="",
                timeout_s=min(WHO_S, self._cluster.request_timeout_s),
            )
        except OdradekError:
            return EndedBy.UNKNOWN
        if not answer.transaction_states:
            return EndedBy.UNKNOWN
        described = answer.transaction_states[0]
        return who_ended(described, self._core.producer_id, self._core.epoch, open_s, self._timeout_ms / 1000)

    def _fenced(self, error: BrokerError, by: EndedBy) -> ProducerFenced:
        fenced = ProducerFenced(ErrorCode.PRODUCER_FENCED, f"{self._ended_by(by)} ({error.code.name})")
        fenced.by = by
        return fenced

    def aborted(self, by: EndedBy) -> TransactionAborted:
        aborted = TransactionAborted(f"the transaction was aborted, and the producer can go on: {self._ended_by(by)}")
        aborted.by = by
        return aborted

    def _ended_by(self, by: EndedBy) -> str:
        limit = f" of {self._timeout_ms} ms" if by is EndedBy.TIMEOUT else ""
        return f"{self._name}: {by.value}{limit}"
