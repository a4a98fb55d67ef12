"""`odradek group`: what it shows of groups, and what becomes of their offsets."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import trio

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek_cli.places import parse_partitions
from referee import Odradek
from tests.cli.commands import Run

_numbers = itertools.count()


@pytest.fixture
def name(run: Run, broker: Odradek) -> str:
    """A topic with two partitions of ten records, and a group of the same name that has committed 4 and nothing."""
    name = f"groups-{next(_numbers)}"
    run("topic", "create", name, "-p", "2")

    async def fill() -> None:
        async with Producer(broker.bootstrap) as producer:
            for partition in (0, 1):
                for number in range(10):
                    age_s = 3600 * (10 - number)
                    await producer.send(name, b"%d" % number, partition=partition, timestamp_ms=NOW_MS - age_s * 1000)
        async with Admin(broker.bootstrap) as admin:
            await admin.alter_group_offsets(name, {TopicPartition(name, 0): 4})

    trio.run(fill)
    return name


NOW_MS = 1_700_000_000_000
"""2023-11-14T22:13:20Z, when the newest record was an hour old."""


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def committed(broker: Odradek, group: str) -> dict[int, int]:
    async def ask() -> dict[int, int]:
        async with Admin(broker.bootstrap) as admin:
            found = await admin.group_offsets(group)
        return {each.partition: offset.offset for each, offset in found.items()}

    return trio.run(ask)


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        (["--to-offset", "7"], (4, 7, 3, 0)),
        (["--to-offset", "99"], (4, 10, 6, 0)),
        (["--shift", "-3"], (4, 1, 0, 3)),
        (["--shift", "2"], (4, 6, 2, 0)),
        (["--to-earliest"], (4, 0, 0, 4)),
        (["--to-latest"], (4, 10, 6, 0)),
        (["--to-time", "2023-11-14T20:13:20+00:00"], (4, 8, 4, 0)),
    ],
)
def test_a_reset_says_from_where_to_where_and_what_it_skips_or_repeats(
    run: Run, broker: Odradek, name: str, words: list[str], moved: tuple[int, ...]
) -> None:
    expected = dict(zip(("from", "to", "skips", "repeats"), moved, strict=True))
    row = {"group": name, "topic": name, "partition": 0, **expected}
    assert rows(run("group", "reset", name, *words, "--dry-run", "--json").stdout) == [row]
    assert committed(broker, name) == {0: 4}
    assert rows(run("group", "reset", name, *words, "--json").stdout) == [row]
    assert committed(broker, name) == {0: moved[1]}


def test_a_reset_of_named_partitions_gives_a_new_group_a_place_to_begin(run: Run, broker: Odradek, name: str) -> None:
    new = f"{name}-new"
    run("group", "reset", new, "--to-latest", code=1)
    found = rows(run("group", "reset", new, f"{name}:1", "--to-offset", "3", "--json").stdout)
    assert [(row["from"], row["to"], row["skips"], row["repeats"]) for row in found] == [(None, 3, 0, 0)]
    assert committed(broker, new) == {1: 3}
    assert "no partition 7" in run("group", "reset", new, f"{name}:7", "--to-latest", code=1).stderr
    assert "could be shifted" in run("group", "reset", new, f"{name}:0", "--shift", "1", code=1).stderr


@pytest.mark.parametrize("words", [[], ["--to-latest", "--shift", "1"], ["--to-time", "7"], ["t:x", "--to-latest"]])
def test_a_reset_goes_to_one_place(run: Run, words: list[str]) -> None:
    run("group", "reset", "g", *words, code=2)


def test_what_members_have_is_shown_and_is_not_moved_under_their_hands(run: Run, broker: Odradek, name: str) -> None:
    async def look() -> None:
        async with Consumer(broker.bootstrap, name, group=name, client_id="reader") as consumer:
            await consumer.wait_assigned()
            assert [row["client"] for row in await there("members", name)] == ["reader"]
            assert (await there("members", name))[0]["partitions"] == [f"{name}-0", f"{name}-1"]
            described = {row["partition"]: row for row in await there("describe", name)}
            assert [described[0][column] for column in ("committed", "end", "lag")] == [4, 10, 6]
            assert described[0]["lag_bytes"] > 0
            refused = await trio.to_thread.run_sync(lambda: run("group", "reset", name, "--to-latest", code=1))
            assert "1 members: stop them first" in refused.stderr

    async def there(*words: str) -> list[dict[str, Any]]:
        return rows((await trio.to_thread.run_sync(lambda: run("group", *words, "--json"))).stdout)

    trio.run(look)
    assert name in run("group", "list", "--state", "empty").stdout
    assert name not in run("group", "list", "--state", "Stable").stdout


def test_the_history_of_a_group_says_who_came_and_who_went(run: Run, broker: Odradek, name: str) -> None:
    async def come_and_go() -> None:
        async with Consumer(broker.bootstrap, name, group=name, client_id="reader") as consumer:
            await consumer.wait_assigned()

    trio.run(come_and_go)
    told = [
        (row["client"], row["cause"].partition(":")[0]) for row in rows(run("group", "history", name, "--json").stdout)
    ]
    assert told == [("reader", "has joined"), ("reader", "has left")]
    assert "GROUP_ID_NOT_FOUND" in run("group", "history", "nobody", code=1).stderr


def test_tail_shows_what_a_group_would_read_next(run: Run, name: str) -> None:
    assert run("tail", name, "--group", name, "--format", "%p:%o ").stdout.split() == [
        *(f"1:{number}" for number in range(4)),
        *(f"{partition}:{number}" for number in range(4, 10) for partition in (0, 1)),
    ]
    run("group", "reset", name, f"{name}:1", "--to-latest")
    assert run("tail", "--group", name, "--until", "6", "--format", "%p:%o ").stdout.split() == ["0:4", "0:5"]
    assert "has committed nothing" in run("tail", "--group", "nobody", code=1).stderr
    run("tail", name, "--group", name, "--from", "earliest", code=2)


def test_offsets_and_groups_are_deleted(run: Run, broker: Odradek, name: str) -> None:
    run("group", "reset", name, f"{name}:1", "--to-latest")
    run("group", "delete-offsets", name, f"{name}:1")
    assert committed(broker, name) == {0: 4}
    run("group", "delete-offsets", name, "another", code=1)
    run("group", "delete", name)
    assert name not in run("group", "list").stdout


def test_partitions_are_named_behind_a_colon() -> None:
    assert parse_partitions("orders") == ("orders", [])
    assert parse_partitions("orders:0,2") == ("orders", [0, 2])
    for text in ("", ":1", "orders:", "orders:-1", "orders:1,"):
        with pytest.raises(ValueError, match="is no TOPIC"):
            parse_partitions(text)


def test_a_range_is_replayed_into_another_topic_and_dead_letters_to_their_own(
    run: Run, broker: Odradek, name: str
) -> None:
    run("topic", "create", f"{name}.again")
    words = ["replay", f"{name}:0", "--to", f"{name}.again", "--from", "2", "--until", "6", "--grep", "[35]", "--json"]
    row = {"topic": name, "partition": 0, "from": 2, "until": 6, "read": 4, "sent": 2}
    assert rows(run(*words, "--dry-run").stdout) == [row]
    assert rows(run(*words).stdout) == [row]
    assert run("tail", f"{name}.again", "--from", "earliest", "--no-follow", "--raw").stdout.split() == ["3", "5"]
    assert committed(broker, name) == {0: 4}
    assert "does not say where it is from" in run("replay", name, code=1).stderr
    headers = [f"__dlq.errors.topic={name}.again", "__dlq.errors.partition=0", "__dlq.errors.offset=7"]
    run("topic", "create", f"{name}.dead")
    run("produce", f"{name}.dead", *(f"-H{header}" for header in headers), stdin="dead\n")
    assert [each["sent"] for each in rows(run("replay", f"{name}.dead", "--json").stdout)] == [1]
    again = run("tail", f"{name}.again", "-n1", "--json").stdout
    assert (json.loads(again)["value"], json.loads(again)["headers"]) == ("dead", {})
