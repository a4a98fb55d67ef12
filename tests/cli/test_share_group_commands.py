"""`odradek share-group`: what it shows of share groups, and what becomes of where they are."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import trio

from odradek import Admin, Consumer, Producer, ResourceType, ShareConsumer
from referee import Odradek
from tests.cli.commands import Run

_numbers = itertools.count()


@pytest.fixture
def name(run: Run, broker: Odradek) -> str:
    """A topic of ten records, and a share group of the same name that has dealt with four of them."""
    name = f"shared-{next(_numbers)}"
    run("topic", "create", name)

    async def fill() -> None:
        async with Producer(broker.bootstrap) as producer:
            await producer.send_many(name, [b"%d" % number for number in range(10)])
        async with Admin(broker.bootstrap) as admin:
            await admin.alter_configs(name, ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
        async with ShareConsumer(broker.bootstrap, name, group=name, client_id="worker") as consumer:
            for _ in range(4):
                await anext(consumer)

    trio.run(fill)
    return name


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def start(run: Run, name: str) -> tuple[Any, Any]:
    (row,) = rows(run("share-group", "describe", name, "--json").stdout)
    assert (row["group"], row["topic"], row["partition"]) == (name, name, 0)
    return row["start_offset"], row["lag"]


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        (["--to-offset", "7"], (4, 7, 3, 0)),
        (["--shift", "-3"], (4, 1, 0, 3)),
        (["--to-earliest"], (4, 0, 0, 4)),
        (["--to-latest"], (4, 10, 6, 0)),
    ],
)
def test_a_reset_lets_a_share_group_begin_elsewhere(
    run: Run, name: str, words: list[str], moved: tuple[int, ...]
) -> None:
    assert start(run, name) == (4, 6)
    expected = dict(zip(("from", "to", "skips", "repeats"), moved, strict=True))
    row = {"group": name, "topic": name, "partition": 0, **expected}
    assert rows(run("share-group", "reset", name, *words, "--dry-run", "--json").stdout) == [row]
    assert start(run, name) == (4, 6)
    assert rows(run("share-group", "reset", name, *words, "--json").stdout) == [row]
    assert start(run, name) == (moved[1], 10 - moved[1])


def test_a_share_group_that_is_not_there_is_given_a_place_to_begin(run: Run, name: str) -> None:
    new = f"{name}-new"
    assert "GROUP_ID_NOT_FOUND" in run("share-group", "reset", new, "--to-latest", code=1).stderr
    found = rows(run("share-group", "reset", new, name, "--to-offset", "3", "--json").stdout)
    assert [(row["from"], row["to"]) for row in found] == [(None, 3)]
    (row,) = rows(run("share-group", "describe", new, "--json").stdout)
    assert row["start_offset"] == 3


def test_a_share_group_with_members_shows_them_and_is_left_where_it_is(run: Run, broker: Odradek, name: str) -> None:
    async def look() -> None:
        async with ShareConsumer(broker.bootstrap, name, group=name, client_id="worker") as consumer:
            await anext(consumer)
            (row,) = rows((await there("members", name, "--json")).stdout)
            assert (row["client"], row["partitions"]) == ("worker", [f"{name}-0"])
            assert name in (await there("list", "--state", "stable")).stdout
            for words in (["reset", name, "--to-latest"], ["delete-offsets", name, name], ["delete", name]):
                await there(*words, code=1)

    async def there(*words: str, code: int = 0) -> Any:
        return await trio.to_thread.run_sync(lambda: run("share-group", *words, code=code))

    trio.run(look)
    assert name not in run("share-group", "list", "--state", "stable").stdout
    assert name in run("share-group", "list").stdout


def test_what_a_share_group_has_done_is_forgotten_and_the_group_deleted(run: Run, name: str) -> None:
    assert "does not share another" in run("share-group", "delete-offsets", name, "another", code=1).stderr
    run("share-group", "delete-offsets", name, name)
    assert rows(run("share-group", "describe", name, "--json").stdout) == []
    run("share-group", "delete", name)
    assert name not in run("share-group", "list").stdout


def test_a_group_of_consumers_is_no_share_group(run: Run, broker: Odradek, name: str) -> None:
    async def read() -> None:
        async with Consumer(broker.bootstrap, name, group=f"{name}-readers") as consumer:
            await anext(consumer)

    trio.run(read)
    for command in ("describe", "members", "delete"):
        assert "GROUP_ID_NOT_FOUND" in run("share-group", command, f"{name}-readers", code=1).stderr
    assert f"{name}-readers" not in run("share-group", "list").stdout
    assert f"{name}-readers" in run("group", "list").stdout
