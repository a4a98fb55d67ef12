"""The Trio side of being a member of a consumer group (KIP-848): heartbeats, and taking up what they bring.

Two tasks. One sends heartbeats all the time, also while partitions are being given up. The other makes of what we have
what the coordinator would have us read, and has the next heartbeat say so at once:

    revoke(what is not ours any more)    assign(what is new)
    lose(all)    where we were forgotten or fenced; only then we join again

What stays ours is read on all the while.

Where the coordinator does not take us by this protocol, and the program has not asked for it, `run` ends: the classic
protocol is to be tried. That is so before we were a member; what goes wrong later is raised.
"""

from __future__ import annotations

import logging
import uuid

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.epochs import EpochMembership
from odradek.consumer.group import Owner
from odradek.consumer.membership import State, Verdict
from odradek.consumer.subscription import Subscription
from odradek.errors import GroupNotFound, OdradekError, UnsupportedVersion
from odradek.protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek.wakeup import Changes, Wakeup

logger = logging.getLogger(__name__)

REFUSALS = (UnsupportedVersion, GroupNotFound)
"""The coordinator does not have the protocol, or not for this group: its members cannot come over, say."""

WAIT_FOR_INSTANCE_S = 1.0


class EpochGroup:
    """`settled` is announced after each heartbeat, and when what it has brought is taken up."""

    def __init__(
        self, cluster: Cluster, config: ConsumerConfig, group_id: str, subscription: Subscription, owner: Owner
    ) -> None:
        own_id = str(uuid.UUID(int=cluster.surroundings.random.getrandbits(128), version=4))
        self.membership = EpochMembership(group_id, config, own_id)
        self.coordinator = Coordinator(cluster, GROUP, group_id)
        self.settled = Changes()
        self.rounds = 0
        """How many epochs we have been in."""
        self._cluster = cluster
        self._config = config
        self._subscription = subscription
        self._owner = owner
        self._who = f"group {group_id}"
        self._beat_now = Wakeup()
        self._take_up = Wakeup()
        self._is_lost = False
        """What we have is to be let go of before we join again."""
        self._told: set[TopicPartition] | None = None
        """What the coordinator would have us read; None before it has said anything."""
        self._unnamed: Assignment | None = None
        """The same, while the name of a topic is not known."""
        self._ids: dict[str, bytes] = {}
        self._task: trio.lowlevel.Task | None = None
        self._revoking = False
        self._answers = 0
        self._is_refused = False
        self._has_waited = False
        """For another member with our instance_id."""

    @property
    def is_stable(self) -> bool:
        return self.membership.state is State.STABLE

    @property
    def is_calling_back(self) -> bool:
        """Whether this is the program's on_assign or on_revoke: what it waits for waits for it."""
        return trio.lowlevel.current_task() is self._task

    def rejoin(self, reason: str) -> None:
        """Say soon what has changed."""
        self.membership.reason = reason
        self._beat_now.set()

    async def settle_again(self, rounds: int, reason: str) -> bool:
        """The coordinator has refused what was asked after so many epochs: hear from it in which we are.

        False where partitions are being given up: that waits for whoever waits here.
        """
        if self._revoking:
            return False
        answers = self._answers
        if self.rounds == rounds:
            self.rejoin(reason)
        while self.rounds == rounds and (self._answers == answers or not self.is_stable):
            await self.settled.wait()
        return True

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_up)
            nursery.start_soon(self._watch_metadata)
            await self._beat()
            nursery.cancel_scope.cancel()

    async def leave(self) -> None:
        """Tell the coordinator, so that others get what we had at once. Never raises OdradekError.

        By the connection of the heartbeats: a join that is on its way yet is not to come after it.
        """
        await self._leave(for_good=False)

    async def _leave(self, *, for_good: bool) -> None:
        request = self.membership.leave_request(for_good=for_good)
        self.membership.forget()
        if request is None or self.coordinator.node_id is None:
            return
        try:
            timeout_s = self._cluster.request_timeout_s
            await self.coordinator.ask(request, ConsumerGroupHeartbeatResponse, purpose="group", timeout_s=timeout_s)
        except OdradekError as error:
            logger.debug("leaving %s: %s", self._who, error)

    # ------------------------------------------------------------------------------------------------- heartbeats

    async def _beat(self) -> None:
        while not self._is_refused:
            pause_s = self.membership.heartbeat_interval_ms / 1000
            self._owner.note_progress()
            if self._owner.stuck_s * 1000 > self._config.max_poll_interval_ms:
                await self._step_out()
            elif self._is_lost:
                await self.settled.wait()
                continue
            elif self._subscription.names or self._subscription.pattern is not None:
                pause_s = await self._beat_once()
            await self._beat_now.wait(trio.current_time() + pause_s)

    async def _beat_once(self) -> float:
        """How long to wait for the next, in seconds."""
        try:
            await self._learn_topics()
            topics = self._subscription.wanted_topics(self._cluster.image)
            owned = frozenset(self._subscription.assigned)
            request = self.membership.heartbeat_request(topics, owned, self._ids)
            answer = await self.coordinator.ask(
                request,
                ConsumerGroupHeartbeatResponse,
                purpose="group",
                timeout_s=self._config.session_timeout_ms / 1000,
                may_leave=True,
            )
            verdict = self.membership.heard(answer, topics, owned)
        except OdradekError as error:
            if self._config.protocol is None and not self.rounds and isinstance(error, REFUSALS):
                logger.info("%s: a classic member, as it cannot be one of the consumer protocol: %s", self._who, error)
                self.membership.forget()
                self._is_refused = True
                return 0
            if not error.retriable:
                raise
            logger.debug("%s: heartbeat: %s", self._who, error)
            self._cluster.activities.begin(f"{self._who} heartbeat", str(error))
            self.membership.unheard()
            return self._cluster.backoff_s
        self._cluster.activities.end(f"{self._who} heartbeat")
        return self._act_on(verdict, answer)

    def _act_on(self, verdict: Verdict, answer: ConsumerGroupHeartbeatResponse) -> float:
        self._answers += 1
        if verdict is Verdict.FIND_COORDINATOR:
            self.coordinator.forget()
            return self._cluster.backoff_s
        if verdict is Verdict.JOIN_AGAIN:
            self._wait_for_the_former_self()
            return WAIT_FOR_INSTANCE_S
        self._cluster.activities.end(f"{self._who} instance")
        self._has_waited = False
        if verdict is Verdict.LOST:
            self._is_lost, self._told, self._unnamed = True, None, None
            self._take_up.set()
            return 0
        self.rounds = max(self.rounds, 1) if answer.assignment is None else self.rounds + 1
        if answer.assignment is not None:
            self._unnamed = answer.assignment
            self._take_up.set()
        self.settled.announce()
        return self.membership.heartbeat_interval_ms / 1000

    def _wait_for_the_former_self(self) -> None:
        self._cluster.activities.begin(
            f"{self._who} instance", f"another member is {self._config.instance_id}, and has not left"
        )
        if not self._has_waited:
            self._has_waited = True
            logger.warning(
                "%s: another member has the instance_id %s; if that is this consumer before it was killed, its session "
                "has to end first (group.consumer.session.timeout.ms)",
                self._who,
                self._config.instance_id,
            )

    async def _learn_topics(self) -> None:
        """Metadata of what we subscribe to; topics that do not exist yet are watched for."""
        self._cluster.track(self._subscription.names)
        if self._subscription.pattern is not None and not self.is_stable:
            await self._cluster.refresh()

    async def _step_out(self) -> None:
        """The program is stuck: let others have the partitions until it comes back."""
        logger.warning(
            "%s: no record was asked for in max_poll_interval_ms (%d ms); leaving until one is",
            self._who,
            self._config.max_poll_interval_ms,
        )
        with self._cluster.activities.waiting(self._who, "the program takes longer than max_poll_interval_ms"):
            self._is_lost, self._told, self._unnamed = True, None, None
            self._take_up.set()
            while self._is_lost:
                await self.settled.wait()  # before others can have them
            await self._leave(for_good=True)
            await self._owner.wait_unstuck()
        self.rejoin("the program is back after max_poll_interval_ms")

    # ----------------------------------------------------------------------------------------------- what is ours

    async def _keep_up(self) -> None:
        self._task = trio.lowlevel.current_task()
        while True:
            await self._take_up.wait()
            if self._is_lost:
                await self._owner.lose(self._subscription.assigned)
                self._is_lost = False
            elif self._unnamed is not None:
                await self._name(self._unnamed)
            if self._told is not None:
                with self._cluster.activities.waiting(self._who, "taking up what it was assigned"):
                    await self._reconcile(self._told)
            self.settled.announce()

    async def _name(self, assignment: Assignment) -> None:
        """Find out the names of the topics; until that is done we keep to what we had been told."""
        if any(self._cluster.image.topic_name(each.topic_id) is None for each in assignment.topic_partitions):
            await self._learn_names()
        told: set[TopicPartition] = set()
        for each in assignment.topic_partitions:
            name = self._cluster.image.topic_name(each.topic_id)
            if name is None:  # No broker has told it yet, or the topic is deleted: then another assignment will come.
                await trio.sleep(self._cluster.backoff_s)
                self._take_up.set()
                return
            self._ids[name] = each.topic_id
            told.update(TopicPartition(name, number) for number in each.partitions)
        if self._unnamed is assignment:
            self._told, self._unnamed = told, None

    async def _learn_names(self) -> None:
        try:
            await self._cluster.refresh()
        except OdradekError as error:
            if not error.retriable:
                raise
            logger.debug("%s: names of topics: %s", self._who, error)

    async def _reconcile(self, told: set[TopicPartition]) -> None:
        had = set(self._subscription.assigned)
        given_up = had - told
        if given_up:
            self._revoking = True
            await self._owner.revoke(sorted(given_up))
            self._revoking = False
            self._beat_now.set()
        if not self._is_lost and told - had:
            await self._owner.assign(sorted(told - had))
            self._beat_now.set()

    async def _watch_metadata(self) -> None:
        before: tuple[str, ...] = ()
        while True:
            await self._cluster.changed.wait()
            topics = self._subscription.wanted_topics(self._cluster.image)
            if topics != before:
                before = topics
                self._beat_now.set()
