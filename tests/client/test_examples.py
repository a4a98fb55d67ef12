"""The programs in examples/ do what they say."""

from __future__ import annotations

import asyncio
import runpy
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

EXAMPLES = Path(__file__).parents[2] / "examples"


def main_of(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def run(name: str, *arguments: str, seconds: float = 30) -> bool:
    """Whether it ended by itself."""

    async def limited() -> bool:
        with trio.move_on_after(seconds) as scope:
            await main_of(name)(*arguments)
        return not scope.cancelled_caught

    return trio.run(limited)


@pytest.fixture
def topic() -> str:
    return f"example-{time.time_ns()}"


@pytest.mark.slow
def test_produce_then_consume(bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("produce", bootstrap, topic)
    assert f"{topic}-" in capsys.readouterr().out
    assert not run("consume", bootstrap, topic, f"group-of-{topic}", seconds=4)
    out = capsys.readouterr().out
    assert "assigned:" in out
    assert "b'an important one'" in out


def test_typed_topics(bootstrap: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("typed_topics", bootstrap)
    out = capsys.readouterr().out
    assert "UA1545: EWR to IAH, 2 min late" in out
    assert "given up: b'this is no flight'" in out


def test_workers_share_jobs(bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("share_consumer", bootstrap, topic, f"group-of-{topic}")
    out = capsys.readouterr().out
    assert "has done job" in out
    assert "at attempt 2" in out
    assert "nobody can do it" in out


def test_dead_letters(bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dead_letters", bootstrap, topic)
    out = capsys.readouterr().out
    assert "given up after 3 attempts: b'2 guineas'" in out
    assert f"dead: {topic}-0 at 1, KeyError: 'guineas'" in out
    assert out.endswith(f"{topic}-0 at 3: 42 shillings\n")


def test_admin(bootstrap: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("admin", bootstrap)
    out = capsys.readouterr().out
    assert "retention.ms = 7200000 (from TOPIC)" in out
    assert "committed 4 of 10, 6 behind" in out


def test_from_asyncio(bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(asyncio.wait_for(partial(main_of("from_asyncio"), bootstrap, topic)(), 30))
    assert capsys.readouterr().out.splitlines() == [
        "one is at offset 0",
        "b'one'",
        "b'two'",
        "b'three'",
        "cancelled: True",
    ]


def test_a_topic_is_copied_exactly_once_though_brokers_and_the_copier_die(capsys: pytest.CaptureFixture[str]) -> None:
    trio.run(main_of("exactly_once"), 500)
    assert "500 records, each once and in order" in capsys.readouterr().out
