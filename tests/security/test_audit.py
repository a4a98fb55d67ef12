"""The audit log says each thing at once, and how often it came again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odradek_broker.security import audit
from odradek_broker.security.audit import WINDOW_MS, Asked, Audit

NOW_MS = 1_700_000_000_000
REFUSED = Asked("User:alice", "10.0.0.7", "Produce", "WRITE", "TOPIC:t", False, "no ACL of the resource allows it")


def said(log: Audit, now_ms: int, *, everything: bool = False) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.take(now_ms, everything=everything)]


def test_a_line_says_who_from_where_what_on_what_whether_and_why() -> None:
    log = Audit()
    log.note(REFUSED, NOW_MS)
    assert said(log, NOW_MS) == [
        {
            "time": "2023-11-14T22:13:20.000Z",
            "principal": "User:alice",
            "host": "10.0.0.7",
            "request": "Produce",
            "operation": "WRITE",
            "resource": "TOPIC:t",
            "allowed": False,
            "rule": "no ACL of the resource allows it",
            "times": 1,
        }
    ]
    assert said(log, NOW_MS) == []


def test_what_comes_again_within_a_minute_is_counted_and_said_together() -> None:
    log = Audit()
    log.note(REFUSED, NOW_MS)
    assert [each["times"] for each in said(log, NOW_MS)] == [1]
    for _ in range(1000):
        log.note(REFUSED, NOW_MS + 1)
    assert said(log, NOW_MS + WINDOW_MS - 1) == []
    assert [each["times"] for each in said(log, NOW_MS + WINDOW_MS)] == [1000]
    log.note(REFUSED, NOW_MS + WINDOW_MS + 1)
    assert [each["times"] for each in said(log, NOW_MS + WINDOW_MS + 1)] == [1]
    assert said(log, NOW_MS + 3 * WINDOW_MS) == []


def test_what_differs_in_anything_has_a_line_of_its_own() -> None:
    log = Audit()
    for other in (REFUSED._replace(host="10.0.0.8"), REFUSED._replace(resource="TOPIC:u"), REFUSED):
        log.note(other, NOW_MS)
    assert len(said(log, NOW_MS)) == 3


def test_beyond_what_is_told_apart_the_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_KEPT", 2)
    log = Audit()
    for number in range(5):
        log.note(REFUSED._replace(resource=f"TOPIC:{number}"), NOW_MS)
    assert len(said(log, NOW_MS)) == 2
    lines = said(log, NOW_MS + WINDOW_MS)
    assert [each["others"] for each in lines if "others" in each] == [3]
    assert said(log, NOW_MS + WINDOW_MS) == []


@pytest.mark.parametrize("allowed", [True, False])
def test_one_address_cannot_fill_the_log_however_many_things_it_asks_for(allowed: bool) -> None:
    log = Audit()
    flood = REFUSED._replace(allowed=allowed)
    most = audit.MAX_ALLOWED_OF_A_HOST if allowed else audit.MAX_REFUSED_OF_A_HOST
    for number in range(most + 50):
        log.note(flood._replace(resource=f"TOPIC:{number}"), NOW_MS)
        log.note(flood._replace(resource="TOPIC:0"), NOW_MS)
    log.note(flood._replace(host="10.0.0.8"), NOW_MS)
    log.note(flood._replace(allowed=not allowed), NOW_MS)
    lines = []
    while more := said(log, NOW_MS, everything=True):
        lines += more
    told = [each for each in lines if "resource" in each and each["host"] == flood.host and each["allowed"] is allowed]
    assert len({each["resource"] for each in told}) == most
    assert [(each["host"], each["others"]) for each in lines if "others" in each] == [(flood.host, 50)]
    assert {each["host"] for each in lines if "resource" in each} == {flood.host, "10.0.0.8"}
    assert not log._kept and not log._of_host and not log._beyond


def test_who_has_asked_for_too_much_is_heard_again_when_a_minute_is_over() -> None:
    log = Audit()
    for number in range(audit.MAX_REFUSED_OF_A_HOST + 1):
        log.note(REFUSED._replace(resource=f"TOPIC:{number}"), NOW_MS)
    said(log, NOW_MS)
    said(log, NOW_MS + WINDOW_MS)
    log.note(REFUSED, NOW_MS + WINDOW_MS)
    assert [each["resource"] for each in said(log, NOW_MS + WINDOW_MS)] == ["TOPIC:t"]


def test_many_lines_are_taken_in_parts_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LINES_AT_ONCE", 2)
    log, found = Audit(), []
    for number in range(5):
        for _ in range(2):
            log.note(REFUSED._replace(resource=f"TOPIC:{number}"), NOW_MS)
    while lines := said(log, NOW_MS, everything=True):
        assert len(lines) <= 2
        found += lines
    assert [each["times"] for each in found] == [2] * 5


def test_a_name_does_not_make_a_line_long() -> None:
    log = Audit()
    log.note(REFUSED._replace(resource="TOPIC:" + "x" * 30_000, principal="User:\n\x1b[31m"), NOW_MS)
    [line] = log.take(NOW_MS)
    assert len(line) < 1500
    assert b"\x1b" not in line
    assert line.count(b"\n") == 1
