"""Seeds whose worlds have programs that use transactions, beside everything else that is in a world."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

import pytest
from one_run import Result
from seeds import run_many

WORLDS, SECONDS = 8, 6.0


@pytest.fixture(scope="module")
def results() -> Iterator[dict[int, Result]]:
    """By seed. Brokers in trouble have much to say."""
    yield dict(run_many(0, WORLDS, SECONDS, jobs=1, worlds=["transactions"]))
    logging.disable(logging.NOTSET)


@pytest.mark.slow
def test_worlds_with_transactions_end_clean(results: dict[int, Result]) -> None:
    violations = {seed: result.violation for seed, result in results.items() if not result.is_clean}
    assert not violations


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        "transfer committed",
        "transfer aborted",
        "overtaken transfer aborted",
        "classic copier",
        "consumer copier",
        "batch copied",
        "offsets not committed after all",
    ],
)
def test_programs_do_in_some_world(results: dict[int, Result], what: str) -> None:
    happened: Counter[str] = sum((result.operations for result in results.values()), Counter())
    assert happened[what] > 0, happened
