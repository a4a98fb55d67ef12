"""Asking the leaders of many partitions the same thing, all at the same time, and again while leaders move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, TypeVar

import trio

from odradek.cluster.cluster import Cluster
from odradek.errors import NotLeader, OdradekError, RequestTimedOut, broker_error
from odradek.protocol.errors import ErrorCode
from odradek.protocol.topic_partition import TopicPartition

W = TypeVar("W")
A = TypeVar("A")

AskLeader: TypeAlias = Callable[[int, Mapping[TopicPartition, W]], Awaitable[Mapping[TopicPartition, A | OdradekError]]]
"""(the leader's node id, what is wanted of its partitions): what it says of each. Raises OdradekError."""


def may_pass(error: OdradekError) -> bool:
    """Whether it is worth asking again, with fresh metadata."""
    return error.retriable or isinstance(error, NotLeader)


async def ask_until_all_answer(
    cluster: Cluster, wanted: Mapping[TopicPartition, W], ask: AskLeader[W, A], timeout_s: float
) -> dict[TopicPartition, A]:
    """What their leaders say of all partitions.

    Raises RequestTimedOut when the time is over, or what a broker says that is final.
    """
    found: dict[TopicPartition, A] = {}
    failures: dict[TopicPartition, OdradekError] = {}
    final: OdradekError | None = None

    def take(partition: TopicPartition, answer: A | OdradekError) -> None:
        nonlocal final
        if not isinstance(answer, OdradekError):
            found[partition] = answer
            return
        failures[partition] = answer
        if not may_pass(answer):
            final = answer
            patience.cancel()  # who has not answered yet changes nothing any more

    with trio.move_on_after(timeout_s) as patience:
        while len(found) < len(wanted):
            missing = {partition: each for partition, each in wanted.items() if partition not in found}
            await ask_leaders(cluster, missing, ask, take)
            if len(found) < len(wanted):
                await trio.sleep(cluster.backoff_s)
                await _refresh(cluster)
    if final is not None:
        raise final
    missing_ones = [partition for partition in wanted if partition not in found]
    if missing_ones:
        failure = next((failures[partition] for partition in missing_ones if partition in failures), None)
        raise failure or RequestTimedOut(f"no answer about {len(missing_ones)} partitions within {timeout_s:g} s")
    return found


async def ask_leaders(
    cluster: Cluster,
    wanted: Mapping[TopicPartition, W],
    ask: AskLeader[W, A],
    take: Callable[[TopicPartition, A | OdradekError], None],
) -> None:
    """Ask each leader once, all at the same time: `take` has each answer as soon as it is there.

    A leader that is not there fails its own partitions only. One that is silent is waited for: this may be cancelled,
    and what has been taken then, is taken.
    """
    cluster.track(topic for topic, _ in wanted)
    by_leader: dict[int, dict[TopicPartition, W]] = {}
    for partition, each in wanted.items():
        leader = cluster.image.leader(*partition)
        if leader < 0:
            take(partition, broker_error(_why_nobody_leads(cluster, partition), str(partition)))
        else:
            by_leader.setdefault(leader, {})[partition] = each

    async def ask_one(leader: int, its: dict[TopicPartition, W]) -> None:
        answers: Mapping[TopicPartition, A | OdradekError]
        try:
            answers = await ask(leader, its)
        except OdradekError as error:
            answers = dict.fromkeys(its, error)
        for partition in its:
            take(partition, answers[partition] if partition in answers else _left_out(partition))

    async with trio.open_nursery() as nursery:
        for leader, its in by_leader.items():
            nursery.start_soon(ask_one, leader, its)


def _why_nobody_leads(cluster: Cluster, partition: TopicPartition) -> ErrorCode:
    known = cluster.image.topics.get(partition.topic)
    if known is not None and known.error is ErrorCode.TOPIC_AUTHORIZATION_FAILED:
        return known.error  # no use asking again
    is_gone = known is None or partition.partition >= len(known.partitions) > 0
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if is_gone else ErrorCode.LEADER_NOT_AVAILABLE


def _left_out(partition: TopicPartition) -> OdradekError:
    return broker_error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{partition}: not in the answer")


async def _refresh(cluster: Cluster) -> None:
    try:
        await cluster.refresh()
    except OdradekError as error:
        if not error.retriable:
            raise
