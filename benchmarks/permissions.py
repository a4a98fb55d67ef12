"""What it costs to ask for permission, and what many ACLs cost.

    python -m benchmarks.run permissions

Odradek against itself, at the page-cache policy: brokers that are alike but for the authorizer and for how many ACLs
there are run at once and take turns, forwards and backwards. A Produce of one record is the dearest case: permission is
asked for with each record. Processor time is the broker's own, as in capacity.py; of many turns it is what a quarter
stays below, for what else the machine does can only add to it.

A decision is measured within this process, for names that nothing remembers: most of them are spoken of, by a literal
or by a prefixed pattern. What 100,000 ACLs weigh is by how much the broker that has them has grown.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from statistics import median, quantiles

import trio

from benchmarks.capacity import SMALL, connected, cost, produce
from benchmarks.client_processes import fresh_topic
from benchmarks.contenders import KAFKA, PAGE_CACHE, Contender, make
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.startup import memory_mib
from odradek import Admin
from odradek.protocol.acl import WILDCARD, Acl, Operation, PatternType, Permission, ResourceType
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.security.acl_index import NO_ACLS, AclDraft, AclIndex
from odradek_broker.security.authorizer import Authorizer, asker
from referee import BrokerProcess

NOBODY_ASKED = "no authorizer"
COUNTS = (0, 100, 10_000, 100_000)
AT_ONCE = 5_000
LARGE = 100_000
REQUESTS = 6_000
SLICES = 20
"""Turns within a round, in which each broker answers a part of the requests."""
DECISIONS = 20_000
ME = "User:ANONYMOUS"
ASKED_OF = {"authorizer.class.name": STANDARD_AUTHORIZER, "allow.everyone.if.no.acl.found": "true"}
DEAREST = 1.03


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops brokers of its own, made like the one with the page-cache policy."""
    if sys.platform != "linux" or all(each.name != PAGE_CACHE for each in contenders):
        return
    directory = contenders[0].broker.data_dir.parent
    names = [NOBODY_ASKED, *map(_called, COUNTS)]
    weight = Measurement(f"permissions: memory of {_called(COUNTS[-1])}", "MiB", False, KAFKA, in_picture=False)
    with contextlib.ExitStack() as stack:
        brokers: dict[str, BrokerProcess] = {}
        for place, name in enumerate(names):
            (made,) = make([PAGE_CACHE], directory / f"asking-{place}")
            made.broker.config.update({} if name == NOBODY_ASKED else ASKED_OF)
            brokers[name] = stack.enter_context(made.broker)
        for count in COUNTS:
            broker = brokers[_called(count)]
            before_mib = memory_mib(broker.pid)
            trio.run(_fill, broker.bootstrap, count)
            if count == COUNTS[-1]:
                weight.add(PAGE_CACHE, memory_mib(broker.pid) - before_mib)
        yield from _produce(brokers, scale)
    yield weight
    yield _decide(scale)


def _called(count: int) -> str:
    return f"{count:,} ACLs"


def _produce(brokers: dict[str, BrokerProcess], scale: Scale) -> Iterator[Measurement]:
    goals = {name: DEAREST for name in brokers if name != NOBODY_ASKED}
    for what, value_bytes in (("100 B", SMALL), ("100 KB", LARGE)):
        took = Measurement(f"permissions: Produce of {what}", "µs", False, NOBODY_ASKED, goals, in_picture=False)
        for _ in range(scale.rounds):
            for name, cost_us in _in_turns(brokers, scale.records(REQUESTS), value_bytes).items():
                took.add(name, cost_us)
        yield took


def _in_turns(brokers: dict[str, BrokerProcess], count: int, value_bytes: int) -> dict[str, float]:
    """Microseconds of each broker's processor time for a Produce."""
    took: dict[str, list[float]] = {name: [] for name in brokers}
    with contextlib.ExitStack() as stack:
        ready = []
        for name, broker in brokers.items():
            topic = stack.enter_context(fresh_topic(broker))
            ready.append((name, broker, stack.enter_context(connected(broker)), produce(topic, value_bytes)))
        for number in range(SLICES):
            for name, broker, peers, frame in ready[:: -1 if number % 2 else 1]:
                took[name].append(1e6 * cost(broker, peers, count // SLICES, frame))
    return {name: quantiles(each, n=4)[0] for name, each in took.items()}


async def _fill(bootstrap: str, count: int) -> None:
    """So many ACLs, the first of which lets who measures do what is measured."""
    acls = list(_acls(count))
    async with Admin(bootstrap) as admin:
        for first in range(0, count, AT_ONCE):
            await admin.create_acls(*acls[first : first + AT_ONCE])


def _acls(count: int) -> Iterator[Acl]:
    topics = partial(Acl, ResourceType.TOPIC)
    for number in range(count):
        if number == 0:
            yield topics("measured-", PatternType.PREFIXED, ME, WILDCARD, Operation.ALL, Permission.ALLOW)
        elif number % 10 == 0:
            yield topics(
                f"team-{number:06}-", PatternType.PREFIXED, f"User:{number}", WILDCARD, Operation.READ, Permission.ALLOW
            )
        else:
            yield topics(
                f"topic-{number:06}", PatternType.LITERAL, f"User:{number}", WILDCARD, Operation.WRITE, Permission.ALLOW
            )


def _decide(scale: Scale) -> Measurement:
    few = _called(COUNTS[1])
    took = Measurement("permissions: a decision", "µs", False, few, {_called(COUNTS[-1]): 1.5}, in_picture=False)
    indexes = {_called(count): (_index(count), count) for count in COUNTS[1:]}
    for _ in range(scale.rounds):
        turns: dict[str, list[float]] = {name: [] for name in indexes}
        for _ in range(SLICES):
            for name, (acls, count) in indexes.items():
                turns[name].append(_decision_us(acls, count, scale.records(DECISIONS) // SLICES))
        for name, each in turns.items():
            took.add(name, median(each))
    return took


def _index(count: int) -> AclIndex:
    draft = AclDraft(NO_ACLS)
    for number, acl in enumerate(_acls(count)):
        draft.add(number.to_bytes(16, "big"), acl)
    return draft.index()


def _decision_us(acls: AclIndex, count: int, decisions: int) -> float:
    authorizer, who = Authorizer(), asker("User:7", "10.0.0.1")
    step = max(1, count // decisions)
    names = [f"topic-{number * step % count:06}" for number in range(decisions // 2)]
    names += [f"team-{number * step % count:06}-x" for number in range(decisions // 2)]
    began = time.thread_time_ns()
    for name in names:
        authorizer.decide(acls, who, Operation.WRITE, ResourceType.TOPIC, name)
    return (time.thread_time_ns() - began) / 1000 / len(names)
