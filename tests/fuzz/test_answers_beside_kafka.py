"""Hostile requests, sent to a broker and to Apache Kafka 4.4.0 alike: the same errors, or it is known why not.

`make fuzz` asks one for CASES_A_REQUEST of its ODRADEK_FUZZ_CASES, and MOST at the most.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from referee import ApacheKafka, BrokerProcess, Odradek, why_java_is_unavailable
from tests.fuzz.answers_explained import why
from tests.fuzz.beside_kafka import Asked, Difference, differences

CASES_A_REQUEST = 100
MOST = 900
MANY = min(int(os.environ.get("ODRADEK_FUZZ_CASES", "100000")) // CASES_A_REQUEST, MOST)
WITHOUT_DELAY = {"group.initial.rebalance.delay.ms": "0"}


@contextmanager
def running(broker: BrokerProcess) -> Iterator[Asked]:
    broker.start()
    asked = Asked(broker.bootstrap)
    try:
        yield asked
    finally:
        asked.close()
        broker.stop()


@pytest.mark.soak
@pytest.mark.skipif(why_java_is_unavailable() is not None, reason="Java is not available")
def test_what_either_refuses_the_other_refuses_by_the_same_error_or_it_is_known_why_not(tmp_path: Path) -> None:
    ours, theirs = (
        Odradek(tmp_path / "ours", WITHOUT_DELAY),
        ApacheKafka(tmp_path / "theirs", WITHOUT_DELAY, heap_mb=512),
    )
    with running(ours) as ours_asked, running(theirs) as theirs_asked:
        told = list(differences(ours_asked, theirs_asked, range(MANY)))
    assert len(told) > MANY * 0.9, "nearly every number is a whole request"
    assert [str(each) for each in told if each is not None and is_unexplained(each)] == []


def is_unexplained(difference: Difference) -> bool:
    return why(difference.api, difference.ours, difference.theirs) is None
