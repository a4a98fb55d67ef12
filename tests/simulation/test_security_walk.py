"""Nobody does what is prohibited, nor is kept from what is permitted, whatever fails meanwhile; in virtual time."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from security_walk import walk

FEW = 4
MANY = int(os.environ.get("ODRADEK_SECURITY_SEEDS", "300"))


@pytest.fixture
def quiet() -> Iterator[None]:
    """Brokers in trouble have much to say."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_permissions_and_logins_hold_through_faults_and_each_kind_of_answer_is_seen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(FEW):
        wrong, happened = walk(seed, 3.0)
        assert wrong is None, f"seed {seed}: {wrong}"
        seen += happened
    assert min(seen[what] for what in ("permitted", "refused", "logged in", "shut out", "changed")) > 0, seen


@pytest.mark.soak
@pytest.mark.usefixtures("quiet")
def test_permissions_and_logins_hold_through_faults_in_many_seeds() -> None:
    for seed in range(FEW, MANY):
        wrong, _ = walk(seed)
        assert wrong is None, f"seed {seed}: {wrong}"
