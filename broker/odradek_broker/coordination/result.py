"""One call into a core: when it happens, and what it comes to.

A core changes at once what it keeps in memory only. What must outlive the process is a record, and nothing that a
record says is done before the record is replayed. Whoever makes the call appends the records, replays them, and lets
the answers go once everything appended so far is committed: so nothing is ever shown that could still be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from odradek_broker.coordination.record import CoordinatorRecord

R_co = TypeVar("R_co", covariant=True)


class Instant(NamedTuple):
    """A moment, by both clocks: deadlines are measured with the one, what is recorded is dated with the other."""

    monotonic_ms: int
    wall_ms: int


class Answer(NamedTuple):
    """The answer to a request that had to wait, by the ticket that came with it."""

    ticket: int
    response: Struct


class CoordinatorResult(NamedTuple, Generic[R_co]):
    """What a call comes to."""

    records: list[CoordinatorRecord]
    """To be appended, all or none, and replayed."""
    response: R_co
    """None where the caller has to wait for an Answer with its ticket."""
    answers: Sequence[Answer] = ()
    """To others, who have been waiting."""
    notes: Sequence[str] = ()
    """Worth a line in the log of the process."""
