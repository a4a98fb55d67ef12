"""The Trio side of being a member: joins, heartbeats, and what a rebalance means for the consumer.

Two tasks. One rebalances whenever that is due; the other sends heartbeats all the time, except while a join is under
way (then the coordinator waits with us), and notices when the program is stuck in a record for too long.

What the consumer has to do about its partitions is asked of it in this order, and awaited:
    eager        revoke(all)  join  sync  assign(all)
    cooperative               join  sync  revoke(what is not ours any more)  assign(what is new), join again if revoked
    forgotten    lose(all)    join ...
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.embedded import decode_assignment
from odradek.consumer.membership import Membership, State, Verdict, members_of
from odradek.consumer.subscription import Subscription
from odradek.errors import BadAnswer, OdradekError
from odradek.protocol.messages.heartbeat import HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.topic_partition import TopicPartition
from odradek.wakeup import Changes, Wakeup

logger = logging.getLogger(__name__)

JOIN_MARGIN_S = 5.0

SILENCE_S = 5
"""After so long a join that is not answered is explained."""

ATTEMPTS_WITHOUT_PAUSE = 3
"""So often is joined again at once: a member that is new, or was forgotten, needs two. Who is sent away more often
pauses each time."""


class Owner(Protocol):
    """The consumer, as its group sees it."""

    async def revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Finish, commit and give up."""

    async def lose(self, partitions: Collection[TopicPartition]) -> None:
        """They are gone already: others may have them."""

    async def assign(self, partitions: Collection[TopicPartition]) -> None:
        """They are ours."""

    def note_progress(self) -> None:
        """Look whether the program is still busy with the same records."""

    @property
    def stuck_s(self) -> float:
        """For how long it has been, as of the last look."""

    async def wait_unstuck(self) -> None:
        """Until the program asks for more."""


class Group:
    """`settled` is announced when a rebalance has brought an assignment, and when the owner has taken that up."""

    def __init__(
        self, cluster: Cluster, config: ConsumerConfig, group_id: str, subscription: Subscription, owner: Owner
    ) -> None:
        self.membership = Membership(group_id, config)
        self.coordinator = Coordinator(cluster, GROUP, group_id)
        self.settled = Changes()
        self._cluster = cluster
        self._config = config
        self._subscription = subscription
        self._owner = owner
        self.rounds = 0
        """How many assignments the group has given us."""
        self._due = Wakeup()
        self._who = f"group {group_id}"
        self._rebalancing = False
        self._revoking = False
        self._task: trio.lowlevel.Task | None = None
        self._nursery: trio.Nursery | None = None
        self._joined_topics: tuple[str, ...] = ()
        self._hasty_count = 0
        self._settled_at = 0.0
        self._shared_out: dict[str, int] | None = None
        """As the leader: the partition counts that the present assignment was made from."""

    @property
    def is_stable(self) -> bool:
        return self.membership.state is State.STABLE

    @property
    def is_calling_back(self) -> bool:
        """Whether this is the program's on_assign or on_revoke: the rebalance waits for it, so it cannot wait."""
        return trio.lowlevel.current_task() is self._task

    def rejoin(self, reason: str) -> None:
        """Rebalance soon."""
        self.membership.reason = reason
        self._due.set()

    async def settle_again(self, rounds: int, reason: str) -> bool:
        """The coordinator has refused what was asked after so many rounds: take part in the next, await what it brings.

        Not until that is taken up: to give partitions up the owner may wait for whoever waits here. False where it does
        so already, and nothing can come of waiting.
        """
        if self.rounds == rounds and self.is_stable:
            if self._revoking:
                return False
            if not self._rebalancing:
                self.rejoin(reason)
        while self.rounds == rounds or not self.is_stable:
            await self.settled.wait()
        return True

    async def run(self) -> None:
        self._task = trio.lowlevel.current_task()
        self._due.set()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._beat)
            nursery.start_soon(self._watch_metadata)
            while True:
                await self._due.wait()
                if self._subscription.names or self._subscription.pattern is not None:
                    with self._cluster.activities.waiting(self._who, f"rebalancing: {self.membership.reason}"):
                        await self._pause_if_hasty()
                        self._rebalancing = True
                        await self._rebalance()
                        self._rebalancing = False
                    self._settled_at = trio.current_time()
                    if not self.is_stable:
                        self._due.set()  # forgotten by the coordinator while partitions were taken up
                    self.settled.announce()

    async def leave(self) -> None:
        """Tell the coordinator, so that the others need not wait for a session timeout. Never raises OdradekError."""
        request = self.membership.leave_request()
        self.membership.forget()
        if request is None or self.coordinator.node_id is None:
            return
        try:
            timeout_s = self._cluster.request_timeout_s
            await self.coordinator.ask(request, LeaveGroupResponse, purpose="", timeout_s=timeout_s)
        except OdradekError as error:
            logger.debug("leaving %s: %s", self._who, error)

    # -------------------------------------------------------------------------------------------- rebalancing

    async def _pause_if_hasty(self) -> None:
        """One rebalance may follow at once on another, as when partitions were given up; not without end."""
        pause_s = self._cluster.backoff_s
        is_hasty = trio.current_time() < self._settled_at + pause_s
        self._hasty_count = self._hasty_count + 1 if is_hasty else 0
        if self._hasty_count >= ATTEMPTS_WITHOUT_PAUSE:
            await trio.sleep(pause_s)

    async def _rebalance(self) -> None:
        if self.membership.state is State.OUT:
            await self._owner.lose(self._subscription.assigned)
        elif not self.membership.is_cooperative:
            await self._revoke(self._subscription.assigned)
        assignment = await self._join_until_assigned()
        self.rounds += 1
        self.settled.announce()
        had = set(self._subscription.assigned)
        given_up = had - assignment
        if given_up:
            await self._revoke(sorted(given_up))
            self.rejoin("partitions were given up")
        await self._owner.assign(sorted(assignment - had))

    async def _revoke(self, partitions: Collection[TopicPartition]) -> None:
        self._revoking = True
        await self._owner.revoke(partitions)
        self._revoking = False

    async def _join_until_assigned(self) -> set[TopicPartition]:
        for attempt in itertools.count(1):
            try:
                verdict, assignment = await self._join()
            except OdradekError as error:
                if not error.retriable:
                    raise
                logger.debug("%s: %s", self._who, error)
                self._cluster.activities.begin(self._who, f"rebalancing: {error}")
                verdict, assignment = Verdict.FIND_COORDINATOR, set()
            if verdict is Verdict.FINE:
                return assignment
            if verdict is Verdict.LOST:
                await self._owner.lose(self._subscription.assigned)
            elif verdict is Verdict.FIND_COORDINATOR:
                self.coordinator.forget()
            if verdict is Verdict.FIND_COORDINATOR or attempt >= ATTEMPTS_WITHOUT_PAUSE:
                await trio.sleep(self._cluster.backoff_s)
        raise AssertionError("there is always another attempt")

    async def _join(self) -> tuple[Verdict, set[TopicPartition]]:
        await self._learn_topics()
        topics = self._joined_topics = self._subscription.wanted_topics(self._cluster.image)
        request = self.membership.join_request(topics, self._subscription.assigned)
        timeout_s = self._config.max_poll_interval_ms / 1000 + JOIN_MARGIN_S
        with self._silence_explained():
            joined = await self.coordinator.ask(request, JoinGroupResponse, purpose="group", timeout_s=timeout_s)
        verdict = self.membership.joined(joined)
        if verdict is not Verdict.FINE:
            return verdict, set()
        shares: dict[str, list[TopicPartition]] = {}
        self._shared_out = None
        if joined.leader == joined.member_id:
            counts = await self._partition_counts({t for m in members_of(joined) for t in m.topics})
            shares = self.membership.share_out(joined, counts)
            self._shared_out = counts
        synced = await self.coordinator.ask(
            self.membership.sync_request(shares), SyncGroupResponse, purpose="group", timeout_s=timeout_s
        )
        verdict = self.membership.synced(synced.error_code)
        if verdict is not Verdict.FINE:
            return verdict, set()
        return verdict, self._assignment_in(synced)

    def _assignment_in(self, synced: SyncGroupResponse) -> set[TopicPartition]:
        try:
            return set(decode_assignment(synced.assignment))
        except ProtocolError as error:
            raise BadAnswer(f"{self._who}: the assignment cannot be read: {error}") from error

    @contextmanager
    def _silence_explained(self) -> Iterator[None]:
        """If what is done inside takes long, one line says why."""
        scope = trio.CancelScope()
        if self._nursery is not None:
            self._nursery.start_soon(self._explain_silence, scope)
        try:
            yield
        finally:
            scope.cancel()

    async def _explain_silence(self, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(SILENCE_S)
            logger.warning(
                "%s: %d s and not let in yet. Its other members have to join again first; one that was killed, such as "
                "this consumer before a restart, counts as one until its session is over (session_timeout_ms is %d s "
                "here)",
                self._who,
                SILENCE_S,
                self._config.session_timeout_ms / 1000,
            )

    async def _learn_topics(self) -> None:
        """Metadata of what we subscribe to; topics that do not exist yet are watched for."""
        self._cluster.track(self._subscription.names)
        image = self._cluster.image
        if self._subscription.pattern is not None or any(name not in image.topics for name in self._subscription.names):
            await self._cluster.refresh()

    async def _partition_counts(self, topics: set[str]) -> dict[str, int]:
        if any(topic not in self._cluster.image.topics for topic in topics):
            self._cluster.track(topics)
            await self._cluster.refresh()
        return self._counts(topics)

    def _counts(self, topics: Collection[str]) -> dict[str, int]:
        known = self._cluster.image.topics
        return {topic: known[topic].partition_count if topic in known else 0 for topic in topics}

    # ---------------------------------------------------------------------------------------- the other tasks

    async def _beat(self) -> None:
        while True:
            await trio.sleep(self._config.heartbeat_interval_ms / 1000)
            self._owner.note_progress()
            if self._owner.stuck_s * 1000 > self._config.max_poll_interval_ms:
                await self._step_out()
            elif self.membership.state is State.STABLE:
                await self._beat_once()

    async def _beat_once(self) -> None:
        generation = self.membership.generation
        try:
            answer = await self.coordinator.ask(
                self.membership.heartbeat_request(),
                HeartbeatResponse,
                purpose="group",
                timeout_s=self._config.session_timeout_ms / 1000,
                may_leave=True,
            )
        except OdradekError as error:
            if not error.retriable:
                raise
            logger.debug("%s: heartbeat: %s", self._who, error)
            self._cluster.activities.begin(f"{self._who} heartbeat", str(error))
            return
        self._cluster.activities.end(f"{self._who} heartbeat")
        verdict = self.membership.beaten(generation, answer.error_code)
        if verdict is Verdict.FIND_COORDINATOR:
            self.coordinator.forget()
        elif verdict is not Verdict.FINE and not self._rebalancing:
            self._due.set()

    async def _step_out(self) -> None:
        """The program is stuck: let others have the partitions until it comes back."""
        logger.warning(
            "%s: no record was asked for in max_poll_interval_ms (%d ms); leaving until one is",
            self._who,
            self._config.max_poll_interval_ms,
        )
        with self._cluster.activities.waiting(self._who, "the program takes longer than max_poll_interval_ms"):
            await self._owner.lose(self._subscription.assigned)  # before others can have them
            await self.leave()
            await self._owner.wait_unstuck()
        self.rejoin("the program is back after max_poll_interval_ms")

    async def _watch_metadata(self) -> None:
        while True:
            await self._cluster.changed.wait()
            if not self.is_stable:
                continue
            if self._subscription.wanted_topics(self._cluster.image) != self._joined_topics:
                self.rejoin("the topics that match have changed")
            elif self._shared_out is not None and self._counts(self._shared_out) != self._shared_out:
                self.rejoin("the number of partitions has changed")
