"""What a chaos run asks of transactions when all is healed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from odradek.errors import EndedBy, ProducerFenced, RequestTimedOut
from odradek.protocol.errors import ErrorCode
from odradek.testing.chaos.history import LAST_WRITER, History
from odradek.testing.chaos.transaction_work import TransactionWork


async def test_the_end_is_tried_again_where_a_broker_does_not_answer(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be slow to come back; what is asked of it is that transactions can be made in the end."""
    work = TransactionWork("nowhere:1", 2, History(), trio.current_time, 0)
    unanswered = iter([RequestTimedOut("no answer"), RequestTimedOut("no answer")])
    asked: list[str] = []

    @asynccontextmanager
    async def producer(program: str) -> AsyncIterator[None]:
        asked.append(program)
        for error in unanswered:
            raise error
        yield

    async def one_transfer(*given: object) -> None:
        asked.append(f"transfer {given[-1]}")

    monkeypatch.setattr(work, "_producer", producer)
    monkeypatch.setattr(work, "_one_transfer", one_transfer)
    assert await work.finish(["anna"])
    assert asked == ["anna", "anna", "anna", LAST_WRITER, "transfer 0", "transfer 1"]


@pytest.mark.parametrize(
    ("by", "answered", "is_well"),
    [(EndedBy.NEWER_PRODUCER, True, False), (EndedBy.NEWER_PRODUCER, False, True), (EndedBy.TIMEOUT, True, True)],
)
async def test_the_last_writer_is_fenced_by_nobody_but_an_earlier_attempt_of_its_own(
    by: EndedBy, answered: bool, is_well: bool, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no other producer of that name: a coordinator that says so has mixed something up."""
    work = TransactionWork("nowhere:1", 1, History(), trio.current_time, 0)
    fenced = ProducerFenced(ErrorCode.PRODUCER_FENCED, LAST_WRITER)
    fenced.by = by
    errors = iter([fenced] if answered else [RequestTimedOut("no answer"), fenced])

    @asynccontextmanager
    async def producer(program: str) -> AsyncIterator[None]:
        yield

    async def one_transfer(*_: object) -> None:
        for error in errors:
            raise error

    monkeypatch.setattr(work, "_producer", producer)
    monkeypatch.setattr(work, "_one_transfer", one_transfer)
    assert await work.finish(["anna"]) is is_well
