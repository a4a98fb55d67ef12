"""Ordinary subscribe, by every client: complete and disjoint assignments, and commits that outlive the members."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest

from referee import BrokerProcess, run_java_tool
from referee.clients.interface import Client, GroupClient, Member, Read, Sent
from referee.clients.kcat import run_kcat
from referee.clients.own import Own

LIBRARIES = ["confluent", "aio", "python", "own"]
PARTITIONS = 6
PATIENCE_SECONDS = 30

NewTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]


@pytest.mark.parametrize("name", LIBRARIES)
def test_one_member_owns_every_partition_and_reads_every_record(
    name: str, broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client, topic = cast(GroupClient, client_named(name)), new_topic(PARTITIONS)
    sent = _fill(client, broker, topic, "once")
    with _members(client, broker, topic, group=topic, count=1) as members:
        read = _poll_until(members, lambda: members[0].assignment() == set(range(PARTITIONS)))
        read += _poll_until(members, lambda: False, enough=len(sent) - len(read))
    assert _contents(read) == sent


@pytest.mark.parametrize("name", LIBRARIES)
def test_two_members_share_the_partitions_without_overlap(
    name: str, broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client, topic = cast(GroupClient, client_named(name)), new_topic(PARTITIONS)
    with _members(client, broker, topic, group=topic, count=2) as members:
        first, second = members

        def settled() -> bool:
            owned = sorted([*first.assignment(), *second.assignment()])
            return owned == list(range(PARTITIONS)) and bool(first.assignment()) and bool(second.assignment())

        _poll_until(members, settled)
        assert settled(), f"{first.assignment()} and {second.assignment()}"
        sent = _fill(client, broker, topic, "shared")
        by_first = _poll_until([first], lambda: False, enough=_due(first, sent))
        by_second = _poll_until([second], lambda: False, enough=_due(second, sent))
    assert _contents(by_first + by_second) == sent
    assert {each.partition for each in by_first}.isdisjoint({each.partition for each in by_second})


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_new_member_takes_over_when_one_leaves(
    name: str, broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client, topic = cast(GroupClient, client_named(name)), new_topic(PARTITIONS)
    with _members(client, broker, topic, group=topic, count=2) as members:
        _poll_until(members, lambda: all(0 < len(each.assignment()) < PARTITIONS for each in members))
        members.pop().close()
        _poll_until(members, lambda: members[0].assignment() == set(range(PARTITIONS)))
        assert members[0].assignment() == set(range(PARTITIONS))


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_member_that_returns_goes_on_from_the_committed_offset(
    name: str, broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client, topic = cast(GroupClient, client_named(name)), new_topic(PARTITIONS)
    before = _fill(client, broker, topic, "before")
    with _members(client, broker, topic, group=topic, count=1) as members:
        assert _contents(_poll_until(members, lambda: False, enough=len(before))) == before
        members[0].commit()
    after = _fill(client, broker, topic, "after")
    with _members(client, broker, topic, group=topic, count=1) as members:
        assert _contents(_poll_until(members, lambda: False, enough=len(after))) == after


@pytest.mark.slow
def test_commits_outlive_the_broker_process(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed, restartable: BrokerProcess
) -> None:
    client, topic = cast(GroupClient, client_named("confluent")), new_topic(PARTITIONS)
    before = _fill(client, broker, topic, "before")
    with _members(client, broker, topic, group=topic, count=1) as members:
        assert _contents(_poll_until(members, lambda: False, enough=len(before))) == before
        members[0].commit()
    for end in (restartable.stop, restartable.kill):
        end()
        restartable.start()
        after = _fill(client, broker, topic, f"after {end.__name__}")
        with _members(client, broker, topic, group=topic, count=1) as members:
            assert _contents(_poll_until(members, lambda: False, enough=len(after))) == after
            members[0].commit()


def test_members_of_different_libraries_share_one_group(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic = new_topic(PARTITIONS)
    others = [cast(GroupClient, client_named(name)) for name in LIBRARIES if name != "own"]
    clients: list[GroupClient] = [*others, Own(assignors=["range", "roundrobin"])]  # what the others have in common
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(_members(each, broker, topic, group=topic, count=1))[0] for each in clients]

        def settled() -> bool:
            return sorted(p for each in members for p in each.assignment()) == list(range(PARTITIONS))

        _poll_until(members, lambda: settled() and all(each.assignment() for each in members))
        assert settled(), [each.assignment() for each in members]


@pytest.mark.slow
def test_kcat_resumes_its_group_where_it_stopped(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    kcat, topic = client_named("kcat"), new_topic()
    kcat.produce(broker.bootstrap, topic, [Sent(None, b"first"), Sent(None, b"second")])
    balanced = ["-G", topic, "-q", "-e", "-X", "auto.offset.reset=earliest", topic]
    assert run_kcat(broker.bootstrap, *balanced) == b"first\nsecond\n"
    kcat.produce(broker.bootstrap, topic, [Sent(None, b"third")])
    assert run_kcat(broker.bootstrap, *balanced) == b"third\n"


@pytest.mark.slow
@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_the_console_consumer_resumes_its_group_and_the_groups_tool_sees_no_lag(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic = new_topic()
    where = ["--bootstrap-server", broker.bootstrap]
    consume = [*where, "--topic", topic, "--group", topic, "--from-beginning", "--timeout-ms", "20000"]
    produce = client_named("confluent").produce
    produce(broker.bootstrap, topic, [Sent(None, b"first"), Sent(None, b"second")])
    assert run_java_tool("kafka-console-consumer", *consume, "--max-messages", "2").stdout == b"first\nsecond\n"
    produce(broker.bootstrap, topic, [Sent(None, b"third")])
    assert run_java_tool("kafka-console-consumer", *consume, "--max-messages", "1").stdout == b"third\n"

    described = run_java_tool("kafka-consumer-groups", *where, "--describe", "--group", topic).stdout.decode()
    row = next(line.split() for line in described.splitlines() if line.startswith(topic))
    assert row[:6] == [topic, topic, "0", "3", "3", "0"]  # group, topic, partition, committed, end, lag


def _fill(client: Client, broker: BrokerProcess, topic: str, word: str) -> list[tuple[int, bytes]]:
    """Five records for each partition; sorted (partition, value)."""
    sent = []
    for partition in range(PARTITIONS):
        values = [f"{word} {partition}/{number}".encode() for number in range(5)]
        client.produce(broker.bootstrap, topic, [Sent(None, value) for value in values], partition=partition)
        sent += [(partition, value) for value in values]
    return sorted(sent)


def _contents(read: Sequence[Read]) -> list[tuple[int, bytes]]:
    return sorted((each.partition, each.value or b"") for each in read)


def _due(member: Member, sent: Sequence[tuple[int, bytes]]) -> int:
    return sum(partition in member.assignment() for partition, _ in sent)


@contextlib.contextmanager
def _members(
    client: GroupClient, broker: BrokerProcess, topic: str, *, group: str, count: int
) -> Iterator[list[Member]]:
    members = [client.join(broker.bootstrap, group, topic) for _ in range(count)]
    try:
        yield members
    finally:
        for member in members:
            member.close()


def _poll_until(members: Sequence[Member], done: Callable[[], bool], enough: int | None = None) -> list[Read]:
    """Poll all members in turn until `done`, or until `enough` records came, or patience ends; gives the records.

    After `enough` records it polls once more, so that a record too many is seen.
    """
    read: list[Read] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done() and time.monotonic() < deadline:
        if enough is not None and len(read) >= enough:
            deadline = 0
        for member in members:
            read += member.poll(0.1)
    return read
