"""When a disk that refuses appends counts as full for good."""

from __future__ import annotations

from odradek_broker.partitions.disk_refusals import RECENT_MS, DiskRefusals


def refused_at(*times_ms: int) -> DiskRefusals:
    refusals = DiskRefusals()
    for now_ms in times_ms:
        refusals.refused(now_ms)
    return refusals


def test_appends_that_fail_again_and_again_last() -> None:
    refusals = refused_at(0, 1000, 2000)
    assert refusals.last_for(2000, now_ms=2100)
    assert not refusals.last_for(2001, now_ms=2100)


def test_one_failure_says_nothing_of_later() -> None:
    assert not refused_at(0).last_for(2000, now_ms=2000)


def test_failures_of_long_ago_do_not_count() -> None:
    assert not refused_at(0, 2000).last_for(2000, now_ms=2001 + RECENT_MS)
    assert not refused_at(0, 1000, 100_000).last_for(2000, now_ms=100_000)


def test_an_append_that_succeeds_ends_it() -> None:
    refusals = refused_at(0, 1000, 2000)
    refusals.over()
    assert not refusals.last_for(2000, now_ms=2000)
    refusals.refused(2100)
    assert not refusals.last_for(2000, now_ms=2100)
