"""Each checker of transactions sees what it is there for, and nothing in a history that is fine."""

from __future__ import annotations

import pytest

from odradek.testing.chaos.history import CRASH, LAST_WRITER, Committed, Fault, History, Outcome, Read, Transfer
from odradek.testing.chaos.transaction_checkers import check_transactions

A, B, COPY = "a", "b", "copy"


def transfer(number: int, outcome: Outcome = Outcome.OK, *, program: str = "t", **more: object) -> Transfer:
    made = Transfer(program, 0, number, float(number), [(A, 0, f"{program}-{number}"), (B, 0, f"{program}-{number}")])
    made.outcome, made.worked_s, made.done_s = outcome, number + 0.4, number + 0.5
    for name, value in more.items():
        setattr(made, name, value)
    return made


def there(topic: str, *values: str) -> Read:
    return Read("drain", 0, 100.0, list(range(len(values))), list(values), True, topic)


def batch(number: int, first: int, outcome: Outcome = Outcome.OK) -> Transfer:
    """A copier's, of two records."""
    reads = [(A, 0, first, f"t-{first}"), (A, 0, first + 1, f"t-{first + 1}")]
    writes = [(COPY, 0, value) for *_, value in reads]
    return transfer(number, outcome, program="copier", writes=writes, reads=reads, generation=1)


def names(history: History) -> set[str]:
    found = check_transactions(history, {A: COPY})
    assert all(each.bad for each in found)
    return {each.name for each in found}


TWO = ("t-0", "t-1")
FINE = [transfer(0), transfer(1), batch(2, 0)]
WHOLE = [there(A, *TWO), there(B, *TWO), there(COPY, *TWO)]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    unknown, aborted = transfer(3, Outcome.INFO), transfer(4, Outcome.FAIL)
    again = [batch(5, 2, Outcome.FAIL), batch(6, 2, Outcome.INFO)]
    meanwhile = [Committed("g", A, 0, 0, 2.1, 2.2), Committed("g", A, 0, 2, 2.5, 2.6)]
    history = History(reads=WHOLE, transfers=[*FINE, unknown, aborted, *again], committed=meanwhile)
    assert names(History(reads=WHOLE, transfers=FINE)) == set()
    history.transfers = [*FINE, unknown, aborted]
    assert names(history) == set()


@pytest.mark.parametrize(
    ("name", "transfers", "reads"),
    [
        ("torn-txn", FINE, [there(A, *TWO), there(B, "t-0"), there(COPY, *TWO)]),
        ("torn-txn", [transfer(0, Outcome.INFO), batch(2, 0)], [there(A, *TWO), there(COPY, *TWO)]),
        ("lost-write", FINE, [there(A, "t-0"), there(B, "t-0"), there(COPY, *TWO)]),
        ("lost-write", [transfer(0), transfer(1)], WHOLE[:2]),
        ("duplicate", FINE, [there(A, *TWO, "t-0"), *WHOLE[1:]]),
        ("phantom", FINE, [there(A, *TWO, "x"), *WHOLE[1:]]),
        ("aborted-read", [transfer(0, Outcome.FAIL), transfer(1), batch(2, 0)], WHOLE),
        ("unavailable", [*FINE, transfer(9, Outcome.FAIL, program=LAST_WRITER)], WHOLE),
        ("abort-rewind", [*FINE, batch(3, 2, Outcome.FAIL), batch(4, 4)], WHOLE),
    ],
)
def test_what_is_wrong_is_found_under_its_name(name: str, transfers: list[Transfer], reads: list[Read]) -> None:
    assert name in names(History(reads=reads, transfers=transfers))


@pytest.mark.parametrize("failure", [Outcome.FAIL, Outcome.INFO])
def test_what_is_tried_at_the_end_has_to_work_in_the_end(failure: Outcome) -> None:
    tried = [transfer(number, failure, program=LAST_WRITER) for number in (8, 9)]
    worked = transfer(10, program=LAST_WRITER)
    assert "unavailable" in names(History(reads=WHOLE, transfers=[*FINE, worked, *tried]))
    found = names(History(reads=WHOLE, transfers=[*FINE, *tried, worked]))
    assert found == {"lost-write"}, "only that what has worked is there nowhere"


def test_who_reads_its_own_write_and_who_read_one_another_in_a_circle_are_found() -> None:
    own = transfer(0, reads=[(A, 0, 0, "t-0")])
    assert names(History(reads=WHOLE, transfers=[own, *FINE[1:]])) == {"precommitted-read"}
    one, other = transfer(0, reads=[(A, 0, 1, "t-1")]), transfer(1, reads=[(A, 0, 0, "t-0")])
    assert names(History(reads=WHOLE, transfers=[one, other, FINE[2]])) == {"G1c"}


def test_an_offset_beyond_the_beginning_of_a_batch_in_work_is_too_far() -> None:
    early = Committed("g", A, 0, 1, 2.1, 2.3)
    assert names(History(reads=WHOLE, transfers=FINE, committed=[early])) == {"committed-too-far"}


def test_a_node_that_ended_by_itself_is_found() -> None:
    assert names(History(reads=WHOLE, transfers=FINE, faults=[Fault(CRASH, "broker-1", 3.0)])) == {"crash"}
