"""A whole run: load and faults for a while, then heal, drain, and say what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Literal

import trio
from msgspec import Struct

from odradek.admin import Admin
from odradek.testing.chaos.checkers import Anomaly, Promise, check, longest_silence_s
from odradek.testing.chaos.faults import Nemesis
from odradek.testing.chaos.group_work import GroupWork
from odradek.testing.chaos.history import Fault, History, Outcome, Place
from odradek.testing.chaos.workload import Workload
from odradek.testing.cluster import Cluster

TOPIC = "chaos"
"""The first; the others have a number behind that."""
DRAIN_S = 120.0


class Plan(Struct, frozen=True, kw_only=True):
    seconds: float = 60.0
    seed: int = 0
    topics: int = 1
    partitions: int = 3
    """Of each topic."""
    members: int = 2
    """Of a consumer group that reads all of them, and commits."""
    writers: int = 2
    readers: int = 1
    records_per_s: float = 300.0
    """Of each writer."""
    acks: Literal["all", 0, 1] = "all"
    idempotent: bool = True
    faults: list[str] = []
    """Kinds to draw from; empty for all."""


class Verdict(Struct, frozen=True, kw_only=True):
    anomalies: list[Anomaly]
    lasted_s: float
    """The load and the faults."""
    sent: int
    acknowledged: int
    refused: int
    unknown: int
    longest_silence_s: float
    """Without an acknowledgement in one partition, while there was something to acknowledge."""
    silence_began_s: float
    drained: bool
    """Whether everything could be read at the end, and the group's offsets too."""

    @property
    def is_clean(self) -> bool:
        return self.drained and not any(anomaly.bad for anomaly in self.anomalies)


async def run(
    cluster: Cluster, plan: Plan, tell: Callable[[Fault], None], load: trio.CancelScope | None = None
) -> tuple[Verdict, History]:
    """On a cluster that is up. `tell` hears of each fault as it happens. Cancel `load` to end it and the faults early.

    Raises ValueError for an unknown fault.
    """
    load = load or trio.CancelScope()
    history, began = History(), time.monotonic()

    def now_s() -> float:
        return time.monotonic() - began

    def note(kind: str, node: str, healed: bool) -> None:
        fault = Fault(kind, node, now_s(), healed)
        history.faults.append(fault)
        tell(fault)

    topics = [TOPIC, *(f"{TOPIC}-{number}" for number in range(1, plan.topics))]
    places = [(topic, partition) for partition in range(plan.partitions) for topic in topics]
    async with Admin(cluster.bootstrap) as admin:
        for topic in topics:
            await admin.create_topic(topic, plan.partitions)
    nemesis = Nemesis(cluster, places, plan.seed, plan.faults, note)
    workload = Workload(cluster.bootstrap, places, history, now_s, acks=plan.acks, idempotent=plan.idempotent)
    group = GroupWork(cluster.bootstrap, topics, history, now_s, Random(plan.seed))
    over = trio.Event()
    async with trio.open_nursery() as readers:
        for number in range(plan.readers):
            readers.start_soon(workload.read, f"reader-{number}")
        if plan.members:
            readers.start_soon(group.run, plan.members)
        async with trio.open_nursery() as writers:
            for number in range(plan.writers):
                writers.start_soon(workload.write, f"writer-{number}", plan.records_per_s, over)
            load.deadline = trio.current_time() + plan.seconds
            with load:
                await nemesis.run()
            lasted_s = now_s()
            await nemesis.heal()
            over.set()
            over_s = now_s()
        await workload.write_once_more()
        readers.cancel_scope.cancel()
    drained = await workload.drain(DRAIN_S)
    if plan.members:
        drained = await group.ask_once_more(DRAIN_S) and drained
    nemesis.look_for_crashes()
    return _verdict(history, plan, places, lasted_s, over_s, drained=drained), history


def _verdict(
    history: History, plan: Plan, places: list[Place], lasted_s: float, over_s: float, *, drained: bool
) -> Verdict:
    promise = Promise(durable=plan.acks == "all", idempotent=plan.idempotent)
    outcomes = [write.outcome for write in history.writes]
    silence_s, since_s = max(longest_silence_s(history, place, over_s) for place in places)
    return Verdict(
        anomalies=check(history, promise),
        lasted_s=lasted_s,
        sent=len(outcomes),
        acknowledged=outcomes.count(Outcome.OK),
        refused=outcomes.count(Outcome.FAIL),
        unknown=outcomes.count(Outcome.INFO),
        longest_silence_s=silence_s,
        silence_began_s=since_s,
        drained=drained,
    )
