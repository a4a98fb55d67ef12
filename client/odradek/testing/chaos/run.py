"""A whole run: load and faults for a while, then heal, drain, and say what is wrong."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Literal

import trio
from msgspec import Struct

from odradek.security import Security
from odradek.testing.chaos.checkers import Anomaly, Promise, check, longest_silence_s
from odradek.testing.chaos.faults import Nemesis
from odradek.testing.chaos.group_work import GroupWork
from odradek.testing.chaos.guests import Guests, administrator, admit, try_the_doors
from odradek.testing.chaos.history import Fault, History, Outcome, Place
from odradek.testing.chaos.transaction_checkers import check_transactions
from odradek.testing.chaos.transaction_work import COPY, DEBIT, TransactionWork
from odradek.testing.chaos.transaction_work import TOPICS as TRANSACTION_TOPICS
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
    workload: Literal["records", "transactions"] = "records"
    """With transactions `writers` make transfers, `members` copy, and `records_per_s` counts transfers."""


class Verdict(Struct, frozen=True, kw_only=True):
    what: str
    """Was sent: records or transactions."""
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
    load, history, began = load or trio.CancelScope(), History(), time.monotonic()

    def now_s() -> float:
        return time.monotonic() - began

    def note(kind: str, node: str, healed: bool) -> None:
        fault = Fault(kind, node, now_s(), healed)
        history.faults.append(fault)
        tell(fault)

    work = _Transactions if plan.workload == "transactions" else _Records
    load_of = work(cluster.bootstrap, plan, history, now_s)
    guests = await _prepare(cluster, plan, load_of)
    nemesis = Nemesis(cluster, load_of.places, plan.seed, plan.faults, note)
    over = trio.Event()
    async with trio.open_nursery() as readers:
        if guests is not None:
            readers.start_soon(try_the_doors, cluster, guests, load_of.places, Random(plan.seed), note)
        load_of.begin_reading(readers)
        async with trio.open_nursery() as writers:
            load_of.begin_writing(writers, over)
            load.deadline = trio.current_time() + plan.seconds
            with load:
                await nemesis.run()
            lasted_s = now_s()
            await nemesis.heal()
            over.set()
            over_s = now_s()
        settled = await load_of.settle()
        readers.cancel_scope.cancel()
    drained = await load_of.drain() and settled
    nemesis.look_for_crashes()
    return load_of.verdict(lasted_s, over_s, drained=drained), history


async def _prepare(cluster: Cluster, plan: Plan, load_of: _Load) -> Guests | None:
    """Make what the load needs; on a cluster that asks for logins, users too."""
    async with administrator(cluster) as admin:
        for topic in load_of.topics:
            await admin.create_topic(topic, plan.partitions)
    if not cluster.security.logs_in:
        return None
    guests = await admit(cluster, load_of.topics)
    load_of.connects(guests.member)
    return guests


class _Load:
    """What clients do in one run."""

    topics: Sequence[str]

    def __init__(self, bootstrap: str, plan: Plan, history: History, now_s: Callable[[], float]) -> None:
        self._plan = plan
        self._history = history

    @property
    def places(self) -> list[Place]:
        return [(topic, partition) for partition in range(self._plan.partitions) for topic in self.topics]

    @abstractmethod
    def connects(self, security: Security) -> None:
        """As whom, before anything begins."""

    @abstractmethod
    def begin_reading(self, nursery: trio.Nursery) -> None: ...

    @abstractmethod
    def begin_writing(self, nursery: trio.Nursery, over: trio.Event) -> None: ...

    @abstractmethod
    async def settle(self) -> bool:
        """When all is healed, and readers are still at it: show that it is of use. False where that takes too long."""

    @abstractmethod
    async def drain(self) -> bool:
        """When nobody reads any more: read it all. False where not all could be."""

    @abstractmethod
    def verdict(self, lasted_s: float, over_s: float, *, drained: bool) -> Verdict: ...


class _Records(_Load):
    """Writers, readers, and a group."""

    def __init__(self, bootstrap: str, plan: Plan, history: History, now_s: Callable[[], float]) -> None:
        super().__init__(bootstrap, plan, history, now_s)
        self.topics = [TOPIC, *(f"{TOPIC}-{number}" for number in range(1, plan.topics))]
        acks, idempotent = plan.acks, plan.idempotent
        self._work = Workload(bootstrap, self.places, history, now_s, acks=acks, idempotent=idempotent)
        self._group = GroupWork(bootstrap, self.topics, history, now_s, Random(plan.seed))

    def connects(self, security: Security) -> None:
        self._work.security = self._group.security = security

    def begin_reading(self, nursery: trio.Nursery) -> None:
        for number in range(self._plan.readers):
            nursery.start_soon(self._work.read, f"reader-{number}")
        if self._plan.members:
            nursery.start_soon(self._group.run, self._plan.members)

    def begin_writing(self, nursery: trio.Nursery, over: trio.Event) -> None:
        for number in range(self._plan.writers):
            nursery.start_soon(self._work.write, f"writer-{number}", self._plan.records_per_s, over)

    async def settle(self) -> bool:
        await self._work.write_once_more(DRAIN_S)
        return True

    async def drain(self) -> bool:
        drained = await self._work.drain(DRAIN_S)
        if self._plan.members:
            drained = await self._group.ask_once_more(DRAIN_S) and drained
        return drained

    def verdict(self, lasted_s: float, over_s: float, *, drained: bool) -> Verdict:
        promise = Promise(durable=self._plan.acks == "all", idempotent=self._plan.idempotent)
        silence_s, since_s = max(longest_silence_s(self._history, place, over_s) for place in self.places)
        outcomes = [write.outcome for write in self._history.writes]
        return _verdict("records", check(self._history, promise), outcomes, lasted_s, silence_s, since_s, drained)


class _Transactions(_Load):
    """Tellers, copiers, and who watches them."""

    topics = TRANSACTION_TOPICS

    def __init__(self, bootstrap: str, plan: Plan, history: History, now_s: Callable[[], float]) -> None:
        super().__init__(bootstrap, plan, history, now_s)
        self._work = TransactionWork(bootstrap, plan.partitions, history, now_s, plan.seed)
        self._tellers = [f"teller-{number}" for number in range(plan.writers)]

    def connects(self, security: Security) -> None:
        self._work.security = security

    def begin_reading(self, nursery: trio.Nursery) -> None:
        for number in range(max(self._plan.members, 1)):
            nursery.start_soon(self._work.copy, f"copier-{number}")
        for number in range(self._plan.readers):
            nursery.start_soon(self._work.watch, f"reader-{number}")
        nursery.start_soon(self._work.ask)

    def begin_writing(self, nursery: trio.Nursery, over: trio.Event) -> None:
        for name in self._tellers:
            nursery.start_soon(self._work.transfer, name, self._plan.records_per_s, over)

    async def settle(self) -> bool:
        is_finished = False
        with trio.move_on_after(DRAIN_S):
            is_finished = await self._work.finish(self._tellers)
        return is_finished and await self._work.drain(DRAIN_S)

    async def drain(self) -> bool:
        return True  # the copiers were waited for

    def verdict(self, lasted_s: float, over_s: float, *, drained: bool) -> Verdict:
        anomalies = check_transactions(self._history, {DEBIT: COPY})
        done = [each.done_s for each in self._history.transfers if each.outcome is Outcome.OK and each.done_s < over_s]
        silence_s, since_s = max((b - a, a) for a, b in pairwise([0.0, *sorted(done), over_s]))
        outcomes = [transfer.outcome for transfer in self._history.transfers]
        return _verdict("transactions", anomalies, outcomes, lasted_s, silence_s, since_s, drained)


def _verdict(
    what: str,
    anomalies: list[Anomaly],
    outcomes: list[Outcome],
    lasted_s: float,
    silence_s: float,
    since_s: float,
    drained: bool,
) -> Verdict:
    return Verdict(
        what=what,
        anomalies=anomalies,
        lasted_s=lasted_s,
        sent=len(outcomes),
        acknowledged=outcomes.count(Outcome.OK),
        refused=outcomes.count(Outcome.FAIL),
        unknown=outcomes.count(Outcome.INFO),
        longest_silence_s=silence_s,
        silence_began_s=since_s,
        drained=drained,
    )
