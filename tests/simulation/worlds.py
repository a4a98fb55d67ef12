"""What a seed draws: how large a cluster, which topics, which settings, what happens to it.

Most worlds are small, because many small ones see more than a few large ones; each has so small segments, so frequent
checkpoints, passes of retention and of compaction, that some of all this happens within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from msgspec import Struct, structs

SLOW_S = 0.02
FEWEST_SEGMENT_BYTES, MOST_SEGMENT_BYTES = 600, 1 << 20
MOST_PARTITIONS = 8
"""Of a topic, also after some were added."""
BATCH_BYTES, COMMIT_BYTES, MIGRATION_BYTES = 100, 60, 5_000
"""At most: of a batch's header, of what a group has committed of one partition, and of all that is said of a group when
it migrates."""


class TopicPlan(Struct, frozen=True):
    name: str
    partitions: int
    replication: int
    configs: dict[str, str]
    is_keyed: bool = False
    """Its records have keys, and it is compacted."""
    is_grouped: bool = False
    """Groups read it, so it is never made anew."""


class WorldPlan(Struct, frozen=True):
    size: str
    brokers: int
    spares: int
    combined: bool
    etcds: int
    """Members of the etcd by which several controllers agree who decides; 0: there is one controller, on its disk."""
    controllers: int
    most_bytes: int | None
    """Of what arrives at once. Only where the network is quick: it takes its time for each piece."""
    unclean: bool
    """Whether elections may lose records."""
    settings: dict[str, str]
    longest_sync_s: float
    longest_hop_s: float
    topics: tuple[TopicPlan, ...]
    writers: int
    records_per_s: float
    groups: int
    offsets_topic: TopicPlan
    faults: tuple[str, ...]
    nemeses: int
    operations: tuple[str, ...]
    operation_rest_s: float
    tellers: int = 0
    """Programs that make transfers; where there are any, a copier and one who watches, too."""
    sharers: int = 0
    """Members of a share group, of the topics that groups read."""
    has_regexes: bool = False
    """There is a group whose members name their topics by a regular expression."""

    def has(self, needs: Iterable[str]) -> bool:
        """Whether each of these is, or is part of, a name of what the world is, or of what happens in it."""
        names = (*self.kinds, *self.faults, *self.operations)
        return all(any(need in name for name in names) for need in needs)

    @property
    def kinds(self) -> list[str]:
        """By which worlds are counted."""
        found = [
            self.size,
            f"{self.brokers} brokers",
            "combined" if self.combined else "controller alone",
            self.settings["log.flush.policy"],
            *sorted({f"replication {topic.replication}" for topic in self.topics}),
        ]
        for kind, is_so in (
            (f"{self.controllers} controllers with {self.etcds} etcd", self.etcds > 0),
            ("dribbling network", self.most_bytes is not None),
            ("unclean", self.unclean),
            ("groups", self.groups > 0),
            ("transactions", self.tellers > 0),
            ("sharing", self.sharers > 0),
            ("regexes", self.has_regexes),
            ("slow network", self.longest_hop_s > SLOW_S),
            ("slow disk", self.longest_sync_s > SLOW_S),
            ("compaction", any(topic.is_keyed for topic in self.topics)),
            ("retention", any("retention.bytes" in topic.configs for topic in self.topics)),
        ):
            found += [kind] * is_so
        return found


ETCD_SHARE = 0.2
SIZES = {"small": 0.8, "medium": 0.17, "large": 0.03}


ROT_SHARE = 0.3
TRANSACTIONS_SHARE = 0.15
SHARING_SHARE = 0.4
REGEX_SHARE = 0.3
"""Both of the worlds that have groups, and lose nothing."""


def draw(
    seed: int,
    faults: list[str],
    etcd_faults: list[str],
    operations: list[str],
    rot: tuple[str, ...] = (),
    of_transactions: tuple[str, ...] = (),
) -> WorldPlan:
    """`faults` and `operations`: what there is to choose from; `etcd_faults`: besides, where there is an etcd.

    `rot`: faults besides, in some worlds. `of_transactions`: the same, in worlds where somebody uses them.
    """
    random = Random(f"world {seed}")
    size = random.choices(list(SIZES), list(SIZES.values()))[0]
    brokers = {"small": 3, "medium": random.choice([3, 4]), "large": 5}[size]
    longest_hop_s = _between(random, 0.003, 0.3) if random.random() < 0.3 else 0.003
    longest_sync_s = _between(random, 0.001, 0.2) if random.random() < 0.5 else 0.001
    settings = _settings(random, is_slow=max(longest_hop_s, longest_sync_s) > SLOW_S)
    leases = [400, 1_000, int(settings["broker.session.timeout.ms"])]
    settings["broker.lease.ms"] = str(Random(f"lease {seed}").choice(leases[longest_hop_s > SLOW_S :]))
    unclean = random.random() < 0.1
    if unclean:
        settings["unclean.leader.election.enable"] = "true"
    topics = _topics(random, size)
    etcds = random.choice([1, 3]) if random.random() < ETCD_SHARE else 0
    drawn = WorldPlan(
        size=size,
        brokers=brokers,
        spares=1 if random.random() < 0.15 else 0,
        combined=random.random() < 0.25,
        etcds=etcds,
        controllers=random.randint(2, 3) if etcds else 1,
        most_bytes=random.choice([7, 300]) if random.random() < 0.08 and longest_hop_s < SLOW_S else None,
        unclean=unclean,
        settings=settings,
        longest_sync_s=longest_sync_s,
        longest_hop_s=longest_hop_s,
        topics=topics,
        writers=random.randint(1, 2),
        records_per_s=random.choice([3.0, 10.0, 40.0]) * (2 if size == "large" else 1),
        groups=random.randint(1, 2) if any(topic.is_grouped for topic in topics) else 0,
        offsets_topic=_offsets_topic(random, sum(topic.is_grouped for topic in topics)),
        faults=_some(random, faults) + (_some(random, etcd_faults) if etcds else ()),
        nemeses=random.choice([1, 1, 2]),
        operations=_some(random, operations) if operations and random.random() < 0.7 else (),
        operation_rest_s=random.choice([0.25, 1.0]),
    )
    keeps = drawn.settings["log.flush.policy"] == "sync"
    rots = keeps and random.random() < ROT_SHARE
    if keeps and not unclean and size != "large":
        others = Random(f"transactions {seed}")
        tellers = others.randint(1, 2) if others.random() < TRANSACTIONS_SHARE else 0
        partitions = {"transaction.state.log.num.partitions": str(others.randint(1, 3))} if tellers else {}
        strands = of_transactions if tellers and others.random() < 0.5 else ()
        drawn = structs.replace(
            drawn,
            tellers=tellers,
            settings={**drawn.settings, **partitions},
            faults=(*drawn.faults, *strands),
        )
    if keeps and not unclean and drawn.groups:
        others = Random(f"sharing {seed}")
        sharers = others.randint(3, 5) if others.random() < SHARING_SHARE else 0
        drawn = structs.replace(drawn, sharers=sharers)
    if keeps and not unclean and drawn.groups:
        drawn = structs.replace(drawn, has_regexes=Random(f"regexes {seed}").random() < REGEX_SHARE)
    if not rots:
        return drawn
    settings = {
        **drawn.settings,
        "log.flush.offset.checkpoint.interval.ms": "1000",
    }  # else most rot would be a torn tail
    return structs.replace(drawn, faults=(*drawn.faults, *rot), settings=settings)


def _settings(random: Random, *, is_slow: bool) -> dict[str, str]:
    session_ms = random.randint(4_000, 9_000) if is_slow else random.randint(2_000, 6_000)
    return {
        "default.replication.factor": "3",
        "min.insync.replicas": random.choice(["1", "2", "2", "2"]),
        "broker.session.timeout.ms": str(session_ms),
        "broker.heartbeat.interval.ms": str(random.randint(200, session_ms // 4)),
        "replica.lag.time.max.ms": str(random.randint(1_000, 6_000) + (2_000 if is_slow else 0)),
        "log.flush.policy": random.choices(["sync", "interval"], [0.85, 0.15])[0],
        "log.flush.offset.checkpoint.interval.ms": _interval_ms(random),
        "log.flush.start.offset.checkpoint.interval.ms": _interval_ms(random),
        "replica.high.watermark.checkpoint.interval.ms": _interval_ms(random),
        "log.retention.check.interval.ms": str(random.randint(300, 3_000)),
        "log.cleaner.backoff.ms": str(random.randint(300, 3_000)),
        "log.segment.delete.delay.ms": str(random.choice([0, 1_000, 60_000])),
        "auto.leader.rebalance.enable": random.choice(["true", "false"]),
        "leader.imbalance.check.interval.seconds": str(random.randint(1, 10)),
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.heartbeat.interval.ms": "1000",
        "group.consumer.assignment.interval.ms": "500",
        "offsets.retention.check.interval.ms": "2000",
        "group.initial.rebalance.delay.ms": str(random.choice([0, 500])),
    }


def _topics(random: Random, size: str) -> tuple[TopicPlan, ...]:
    counts, widest = {"small": ((1, 1, 2), 2), "medium": ((2, 3), 4), "large": ((3, 4, 5, 6), 8)}[size]
    count = random.choice(counts)
    return tuple(_topic(random, number, random.randint(1, widest)) for number in range(count))


def _topic(random: Random, number: int, partitions: int) -> TopicPlan:
    """The first one is in every world, replicated as it should be: faults are about its leader."""
    replication = 3 if number == 0 else random.choice([1, 2, 3])
    configs = {"internal.segment.bytes": str(int(_between(random, FEWEST_SEGMENT_BYTES, MOST_SEGMENT_BYTES)))}
    if random.random() < 0.6:
        configs["internal.segment.bytes"] = str(random.randint(FEWEST_SEGMENT_BYTES, 4_000))
    is_keyed = random.random() < 0.2
    if is_keyed:
        configs["cleanup.policy"] = "compact"
        configs["min.cleanable.dirty.ratio"] = "0.1"
        configs["delete.retention.ms"] = str(random.choice([500, 86_400_000]))
    elif random.random() < 0.3:
        configs["retention.bytes"] = str(random.randint(1_000, 20_000))
    elif random.random() < 0.15:
        configs["retention.ms"] = str(random.randint(1_000, 5_000))
    return TopicPlan(
        name="t" if number == 0 else f"t{number}",
        partitions=partitions,
        replication=replication,
        configs=configs,
        is_keyed=is_keyed,
        is_grouped=random.random() < (0.4 if number == 0 else 0.3),
    )


def _offsets_topic(random: Random, grouped: int) -> TopicPlan:
    """Made before anybody asks for it, so that its segments can be small and its compaction be soon.

    But one commit, of all partitions of the topics that groups read, has to find room in a segment, and so has a group
    that migrates.
    """
    commit_bytes = BATCH_BYTES + COMMIT_BYTES * MOST_PARTITIONS * grouped
    segment_bytes = max(random.choice([600, 4_000, 100_000]), commit_bytes, MIGRATION_BYTES if grouped else 0)
    configs = {"cleanup.policy": "compact", "internal.segment.bytes": str(segment_bytes)}
    return TopicPlan("__consumer_offsets", random.choice([1, 1, 3]), 3, configs)


def _between(random: Random, least: float, most: float) -> float:
    """As likely small as large, by orders of magnitude."""
    return float(least * (most / least) ** random.random())


def _interval_ms(random: Random) -> str:
    return str(int(_between(random, 1_000, 60_000)))


def _some(random: Random, names: list[str]) -> tuple[str, ...]:
    return tuple(random.sample(names, random.randint(1, len(names))))
