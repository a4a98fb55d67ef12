"""A consumer group that shares the topics while all else goes on: its members commit, come and go, by this protocol of
groups or that, so the group goes over and back. Some go without a word, and are missed when their session is over.

What a group commits in a partition only ever rises, because members read on from what is committed: so an offset that
the coordinator tells may never be less than one that it had acknowledged before it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random

import trio

from odradek.admin import Admin
from odradek.consumer import Consumer
from odradek.consumer.config import GroupProtocol
from odradek.errors import OdradekError
from odradek.network import Surroundings
from odradek.protocol.topic_partition import TopicPartition
from odradek.security import NO_SECURITY, Security
from odradek.testing.chaos.history import Commit, Committed, History
from odradek.testing.chaos.mortal_network import MortalNetwork

GROUP = "chaos-group"
PROTOCOLS: tuple[GroupProtocol, ...] = ("classic", "consumer")
SHORTEST_STAY_S, LONGEST_STAY_S = 2.0, 20.0
GOES_SILENTLY = 0.3
"""How likely a member goes as if it were killed. The others take the usual way."""
REQUEST_TIMEOUT_MS = 3_000
POLL_S = 0.3
AGAIN_S = 0.5
ASK_EVERY_S = 1.0


class GroupWork:
    """All members of one group, and an onlooker."""

    def __init__(
        self,
        bootstrap: str,
        topics: Collection[str],
        history: History,
        now_s: Callable[[], float],
        random: Random,
        group: str = GROUP,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = list(topics)
        self._history = history
        self._now_s = now_s
        self._random = random
        self._group = group
        self.security: Security = NO_SECURITY
        """As whom its clients connect."""

    async def run(self, members: int) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(members):
                nursery.start_soon(self._be_member, Random(self._random.getrandbits(64)))
            nursery.start_soon(self._look_on)

    async def ask_once_more(self, timeout_s: float) -> bool:
        """When all is healed; False where the coordinator does not answer in time."""
        with trio.move_on_after(timeout_s):
            while True:
                if await self._ask():
                    return True
                await trio.sleep(AGAIN_S)
        return False

    async def _be_member(self, random: Random) -> None:
        while True:
            try:
                await self._stay(random.uniform(SHORTEST_STAY_S, LONGEST_STAY_S), random)
            except OdradekError:
                pass
            await trio.sleep(AGAIN_S)

    async def _stay(self, seconds: float, random: Random) -> None:
        """For so long, as one member."""
        goes_silently, network = random.random() < GOES_SILENTLY, MortalNetwork()
        with trio.move_on_after(seconds):
            async with self._member(random.choice(PROTOCOLS), network) as consumer:
                try:
                    await self._read_and_commit(consumer)
                finally:
                    if goes_silently:
                        network.end()

    def _member(self, protocol: GroupProtocol, network: MortalNetwork) -> Consumer[bytes | None, bytes | None]:
        return Consumer(
            self._bootstrap,
            topics=self._topics,
            group=self._group,
            protocol=protocol,
            start="earliest",
            commit="manual",
            session_timeout_ms=6_000,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            security=self.security,
            surroundings=Surroundings(network),
        )

    async def _read_and_commit(self, consumer: Consumer[bytes | None, bytes | None]) -> None:
        while True:
            await consumer.poll(timeout_s=POLL_S)
            sent_s = self._now_s()
            for place, offset in (await consumer.commit()).items():
                self._history.commits.append(Commit(self._group, *place, offset, sent_s, self._now_s()))

    async def _look_on(self) -> None:
        while True:
            await self._ask()
            await trio.sleep(ASK_EVERY_S)

    async def _ask(self) -> bool:
        known = {(commit.topic, commit.partition) for commit in self._history.commits}
        try:
            async with self._admin() as admin:
                sent_s = self._now_s()
                offsets = await admin.group_offsets(self._group)
        except OdradekError:
            return False
        for topic, partition in known:
            found = offsets.get(TopicPartition(topic, partition))
            offset = -1 if found is None else found.offset
            self._history.committed.append(Committed(self._group, topic, partition, offset, sent_s))
        return True

    def _admin(self) -> Admin:
        return Admin(self._bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS, security=self.security)
