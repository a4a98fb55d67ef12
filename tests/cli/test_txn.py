"""`odradek txn`, and what `odradek tail` says of transactions."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from odradek import Admin, EndedBy, Producer, ProducerFenced, TransactionAborted
from referee import Odradek
from tests.cli.commands import Run


@pytest.fixture
def topic(run: Run) -> str:
    name = f"txn-{time.time_ns()}"
    run("topic", "create", name, "-p", "2")
    return name


def rows(run: Run, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]


def within(broker: Odradek, transactional_id: str, work: Callable[[Producer], Awaitable[None]]) -> None:
    """Do something while a transaction is open."""

    async def begin() -> None:
        async with Producer(broker.bootstrap, transactional_id=transactional_id) as producer:
            await work(producer)

    trio.run(begin)


async def nothing(_: Producer) -> None:
    """A producer is let in once all markers of the transaction before are written."""


def in_a_thread(call: Callable[[], Any]) -> Awaitable[Any]:
    return trio.to_thread.run_sync(call)


def test_an_open_transaction_is_listed_with_its_age_and_with_what_it_holds_up(
    broker: Odradek, run: Run, topic: str
) -> None:
    async def work(producer: Producer) -> None:
        async with producer.transaction():
            for number in range(3):
                await producer.send_and_wait(topic, b"%d" % number, partition=1)
            listed = await in_a_thread(
                lambda: [each for each in rows(run, "txn", "list", "--open") if each["id"] == topic]
            )
            described = await in_a_thread(lambda: rows(run, "txn", "describe", topic))
        assert [(each["state"], each["partitions"], each["blocked"]) for each in listed] == [("Ongoing", 1, 3)]
        assert 0 <= listed[0]["age_seconds"] < 60
        assert [(each["topic"], each["partition"], each["since_offset"], each["blocked"]) for each in described] == [
            (topic, 1, 0, 3)
        ]

    within(broker, topic, work)
    within(broker, topic, nothing)
    assert topic not in [each["id"] for each in rows(run, "txn", "list", "--open")]
    (over,) = [each for each in rows(run, "txn", "list", "--state", "Empty") if each["id"] == topic]
    assert (over["age_seconds"], over["blocked"]) == (None, None)


def test_a_transaction_is_aborted_by_its_id_and_its_producer_fenced(broker: Odradek, run: Run, topic: str) -> None:
    async def work(producer: Producer) -> None:
        with pytest.raises(ProducerFenced) as caught:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"never", partition=0)
                await in_a_thread(lambda: run("txn", "abort", topic))
        assert caught.value.by is EndedBy.NEWER_PRODUCER

    within(broker, topic, work)
    assert run("tail", topic, "--isolation", "committed", "--from", "earliest", "--no-follow").stdout == ""
    assert len(run("tail", topic, "--from", "earliest", "--no-follow").stdout.splitlines()) == 1


def test_what_a_coordinator_will_end_is_not_aborted_past_it(broker: Odradek, run: Run, topic: str) -> None:
    async def work(producer: Producer) -> None:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed", partition=0)
            assert await in_a_thread(lambda: rows(run, "txn", "find-hanging", "--older-than", "0s")) == []
            refused = await in_a_thread(lambda: run("txn", "abort", "--topic", topic, "-p", "0", code=1))
            assert f"{topic}-0 belongs to the transaction of {topic}" in refused.stderr

    within(broker, topic, work)
    within(broker, topic, nothing)
    assert (
        len(run("tail", topic, "--isolation", "committed", "--from", "earliest", "--no-follow").stdout.splitlines())
        == 1
    )


def test_a_transaction_that_hangs_is_found_and_ended_and_its_producer_notices(
    broker: Odradek, run: Run, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: object) -> None:
        """What no coordinator knows of: a broker that asks before it appends lets none come to be."""

    find = ("txn", "find-hanging", "--topic", topic)

    async def work(producer: Producer) -> None:
        with pytest.raises(TransactionAborted) as caught:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"never", partition=0)
                monkeypatch.setattr(Admin, "owner_of", nobody)
                found = await in_a_thread(lambda: rows(run, *find, "--older-than", "0s"))
                assert [(each["partition"], each["since_offset"], each["blocked"]) for each in found] == [(0, 0, 1)]
                assert await in_a_thread(lambda: rows(run, *find)) == [], "not for 15 minutes"
                await in_a_thread(lambda: run("txn", "abort", "--topic", topic, "--partition", "0"))
                assert await in_a_thread(lambda: rows(run, *find, "--older-than", "0s")) == []
                await producer.send(topic, b"too late", partition=0)
        assert caught.value.by is EndedBy.ADMINISTRATOR

    within(broker, topic, work)


def test_markers_and_open_transactions_are_shown(broker: Odradek, run: Run, topic: str) -> None:
    async def work(producer: Producer) -> None:
        async with producer.transaction():
            await producer.send(topic, b"kept", partition=0)
        with pytest.raises(KeyError):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"dropped", partition=0)
                raise KeyError
        async with producer.transaction():
            await producer.send_and_wait(topic, b"open", partition=0)
            words = ("tail", topic, "--from", "earliest", "--no-follow", "--show-control")
            shown = await in_a_thread(lambda: rows(run, *words))
            text = (await in_a_thread(lambda: run(*words))).stdout
            committed = await in_a_thread(lambda: rows(run, *words, "--isolation", "committed"))
        assert [(each["offset"], each.get("value", each.get("control"))) for each in shown] == [
            *[(0, "kept"), (1, "commit"), (2, "dropped"), (3, "abort"), (4, "open"), (4, "open")]
        ]
        assert shown[-1]["blocked"] == 1
        assert [each.get("value", each.get("control")) for each in committed] == ["kept", "commit", "abort", "open"]
        ends = [line.split("\t")[4] for line in text.splitlines()]
        assert [end.partition(":")[0] for end in ends] == ["kept", "[commit", "dropped", "[abort", "open", "[open"]

    within(broker, topic, work)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["txn", "abort"], "name an ID, or --topic"),
        (["txn", "abort", "x", "--topic", "t", "-p", "0"], "name an ID, or --topic"),
        (["txn", "abort", "--topic", "t"], "name an ID, or --topic"),
        (["txn", "list", "--older-than", "long"], "--older-than long: write"),
        (["txn", "list", "--open", "--state", "Empty"], "exclude"),
        (["tail", "t", "--show-control", "--raw"], "--show-control is for"),
    ],
)
def test_a_wrong_command_is_told_in_a_line(run: Run, words: list[str], why: str) -> None:
    assert why in run(*words, code=2).stderr


def test_an_id_that_nobody_knows_is_told_so(run: Run) -> None:
    for words in (["describe"], ["abort"]):
        assert "TRANSACTIONAL_ID_NOT_FOUND" in run("txn", *words, "nobody", code=1).stderr
