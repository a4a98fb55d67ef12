"""Waits that are settled once, as values."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.errors import ErrorCode
from odradek_broker.partitions.commits import Commit, Commits

NONE, NOT_LEADER = ErrorCode.NONE, ErrorCode.NOT_LEADER_OR_FOLLOWER


def outcomes(*commits: Commit) -> list[ErrorCode | None]:
    return [commit.outcome for commit in commits]


def test_all_before_an_offset_are_settled_and_no_other() -> None:
    commits = Commits()
    waits = [commits.begin(offset) for offset in (0, 4, 5, 9)]
    commits.reached(5)
    assert outcomes(*waits) == [NONE, NONE, None, None]
    commits.reached(10)
    assert outcomes(*waits) == [NONE] * 4 and not len(commits)


def test_a_retry_waits_for_its_own_offset_and_not_for_later_ones() -> None:
    commits = Commits()
    later, retry, same = commits.begin(9), commits.begin(4), commits.begin(4)
    commits.reached(5)
    assert outcomes(later, retry, same) == [None, NONE, NONE]


def test_what_has_failed_is_not_settled_again() -> None:
    commits = Commits()
    wait = commits.begin(3)
    commits.fail(NOT_LEADER)
    commits.reached(10)
    assert wait.outcome is NOT_LEADER
    assert commits.begin(4).outcome is None, "what begins afterwards is about another leadership"


def test_who_leaves_leaves_nothing_behind() -> None:
    commits = Commits()
    waits = [commits.begin(offset) for offset in (1, 2, 2, 2, 3)]
    waits[2].leave()
    waits[2].leave()
    assert len(commits) == 4
    commits.reached(4)
    assert outcomes(*waits) == [NONE, NONE, None, NONE, NONE]
    waits[0].leave()


async def test_one_who_waits_is_told_what_it_was_settled_to_however_late_it_asks() -> None:
    commits, told = Commits(), []
    early, late = commits.begin(0), commits.begin(1)

    async def wait(commit: Commit) -> None:
        told.append(await commit.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, early)
        nursery.start_soon(wait, early)
        await wait_all_tasks_blocked()
        commits.reached(1)
        commits.fail(NOT_LEADER)
    assert told == [NONE, NONE]
    await wait(late)
    assert told[-1] is NOT_LEADER
