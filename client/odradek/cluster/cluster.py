"""The cluster as one client knows it: which brokers there are, who leads what, and how to reach them.

`image` is the newest metadata; this shell keeps it fresh. It is asked for again when somebody wishes it (a broker said
that it does not lead a partition), when it has grown old, and when a topic is wanted that is not in it. Only one
question is under way at a time, and whoever waits for an answer shares it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import trio

from odradek.activity import Activities
from odradek.cluster.config import ClientConfig
from odradek.cluster.connection import Connection
from odradek.cluster.connections import ConnectionHealth, ConnectionPool
from odradek.cluster.first_answer import first_answer
from odradek.cluster.metadata import BrokerAddress, ClusterImage, TopicImage
from odradek.errors import BootstrapFailed, ConnectionFailed, OdradekError, broker_error
from odradek.network import Address
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.wakeup import Changes, Wakeup

logger = logging.getLogger(__name__)

R = TypeVar("R")

NO_SUCH_BROKER_HINT = "the brokers' advertised addresses may not be reachable from here (advertised.listeners)"


class Cluster:
    """Shared by the parts of one client. Its connections and its refreshing live in `nursery`."""

    def __init__(
        self,
        bootstrap: Sequence[Address],
        config: ClientConfig,
        activities: Activities,
        nursery: trio.Nursery,
        *,
        creates_topics: bool = False,
    ) -> None:
        """`creates_topics`: asking for a topic may create it, where the broker allows it too."""
        self.surroundings = config.surroundings
        self.activities = activities
        self.image = ClusterImage()
        self.changed = Changes()
        """Announced after every merge."""
        self._topics: set[str] = set()
        self._all_topics = False
        self._asked: set[str] | None = set()
        self._refreshing = trio.Lock()
        self._wish = Wakeup()
        self._doubted: int | None = None
        """A broker that does not answer, as of the last time that one did not."""
        self._nursery = nursery
        self._config = config
        self._places = bootstrap
        self._creates_topics = creates_topics
        self._pool = ConnectionPool(
            nursery,
            config.surroundings,
            activities,
            client_id=config.client_id,
            connect_timeout_s=config.connect_timeout_ms / 1000,
            security=config.security,
        )

    @property
    def request_timeout_ms(self) -> int:
        return self._config.request_timeout_ms

    @property
    def request_timeout_s(self) -> float:
        return self._config.request_timeout_ms / 1000

    @property
    def backoff_s(self) -> float:
        """A pause before trying again, with jitter."""
        return self._config.retry_backoff_ms / 1000 * self.surroundings.random.uniform(0.8, 1.2)

    async def start(self) -> None:
        """Reach the cluster for the first time. Raises BootstrapFailed when connect_timeout_ms is over."""
        failure: OdradekError | None = None
        with trio.move_on_after(self._config.connect_timeout_ms / 1000) as patience:
            while True:
                try:
                    await self.refresh()
                    break
                except OdradekError as error:
                    if not error.retriable:
                        raise
                    failure = error
                await trio.sleep(self.backoff_s)
        if patience.cancelled_caught:
            places = ", ".join(f"{host}:{port}" for host, port in self._places)
            raise BootstrapFailed(f"no broker answers at {places}: {failure or 'no answer'}") from failure
        for address in self._places:
            self._pool.close(address)  # from here on by the addresses that the brokers give themselves
        self._nursery.start_soon(self._keep_fresh)

    @property
    def features(self) -> Mapping[str, int]:
        """The finalized features of the cluster, as of the last time that a connection was opened."""
        return self._pool.features

    def offers(self, request: type[ApiMessage], at_least: int = 0) -> bool:
        """Whether brokers understand the request, in this version or a later one.

        As far as that is known: while they are upgraded, some may not.
        """
        return self._pool.offers(request, at_least)

    def health(self) -> list[ConnectionHealth]:
        return self._pool.health()

    # ------------------------------------------------------------------------------------------ asking brokers

    def existing_connection(self, node_id: int, purpose: str = "") -> Connection | None:
        """One that is open already."""
        broker = self.image.brokers.get(node_id)
        return None if broker is None else self._pool.existing((node_id, broker.host, broker.port), purpose)

    async def connection(self, node_id: int, purpose: str = "") -> Connection:
        """A connection to a broker. Raises ConnectionFailed, RequestTimedOut."""
        broker = self.image.brokers.get(node_id)
        if broker is None:
            raise ConnectionFailed(f"broker {node_id} is not part of the cluster at the moment")
        connection = self._pool.existing((node_id, broker.host, broker.port), purpose)
        if connection is not None:
            return connection
        try:
            where = (node_id, broker.host, broker.port)
            return await self._pool.connect(where, purpose, broker.host, broker.port, str(broker))
        except OdradekError as error:
            self.wish_refresh()
            if all((broker.host, broker.port) != address for address in self._places):
                error.add_note(NO_SUCH_BROKER_HINT)
            raise

    async def request(
        self, node_id: int, message: ApiMessage, response: type[R], *, purpose: str = "", timeout_s: float | None = None
    ) -> R:
        """Ask one broker. Raises ConnectionFailed, RequestTimedOut, UnsupportedVersion."""
        connection = await self.connection(node_id, purpose)
        return await connection.request(message, response, timeout_s or self.request_timeout_s)

    async def any_connection(self) -> Connection:
        """A connection to whichever broker can be had, idle ones first. Raises the last failure."""
        return await first_answer(self._ways_in())

    async def ask_any(self, message: ApiMessage, response: type[R], timeout_s: float | None = None) -> R:
        """Ask whichever broker can be had. Raises ConnectionFailed, RequestTimedOut, UnsupportedVersion."""
        connection = await self.any_connection()
        return await connection.request(message, response, timeout_s or self.request_timeout_s)

    async def ask_first(self, question: ApiMessage, response: type[R]) -> R:
        """What the first broker that answers says to a question that changes nothing. Raises as `ask_any`."""

        def through(connect: Callable[[], Awaitable[Connection]]) -> Callable[[], Awaitable[R]]:
            async def ask() -> R:
                connection = await connect()
                return await connection.request(question, response, self.request_timeout_s)

            return ask

        return await first_answer([through(connect) for connect in self._ways_in()])

    def _ways_in(self) -> list[Callable[[], Awaitable[Connection]]]:
        """To the brokers with which there is a connection, the idlest first; to the others; as at the very start."""
        brokers = list(self.image.brokers.values())
        self.surroundings.random.shuffle(brokers)
        brokers.sort(key=lambda broker: (broker.node_id == self._doubted, self._unanswered(broker)))
        known = [partial(self.connection, broker.node_id) for broker in brokers]
        return [*known, *(partial(self._bootstrap, host, port) for host, port in self._places)]

    def _unanswered(self, broker: BrokerAddress) -> float:
        connection = self._pool.existing((broker.node_id, broker.host, broker.port), "")
        return math.inf if connection is None else connection.unanswered_count

    async def _bootstrap(self, host: str, port: int) -> Connection:
        return await self._pool.connect((host, port), "bootstrap", host, port, f"{host}:{port}")

    # ---------------------------------------------------------------------------------------------- metadata

    def track(self, topics: Iterable[str]) -> None:
        """Keep these topics in the image from now on."""
        self._topics.update(topics)

    def track_all(self) -> None:
        """Keep every topic in the image: what a subscription by pattern needs."""
        self._all_topics = True

    def wish_refresh(self, doubted: int | None = None) -> None:
        """Ask for fresh metadata soon, without waiting for it; another broker than the one that is `doubted`, first."""
        if doubted is not None:
            self._doubted = doubted
        self._wish.set()

    async def refresh(self) -> None:
        """Return when metadata newer than this call is there. Raises ConnectionFailed, RequestTimedOut."""
        generation = self.image.generation
        async with self._refreshing:
            if self.image.generation > generation and self._covers_wanted():
                return
            await self._ask()

    async def topic(self, name: str, timeout_s: float, at_least: int = 1) -> TopicImage:
        """A topic with so many partitions, waited for if it is not there yet, or not so many of them.

        Raises what the broker says of the topic if that is final, and its last word when the time is over.
        """
        self._topics.add(name)
        deadline = trio.current_time() + timeout_s
        with self.activities.waiting(f"topic {name}", "metadata"):
            while True:
                image = self.image.topics.get(name)
                if image is not None and image.partition_count >= at_least:
                    return image
                code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                if image is not None and not image.partitions:
                    code = image.error
                if not code.retriable:
                    self._topics.discard(name)
                    raise broker_error(code, name)
                failure = await self._try_refresh_until(deadline)
                image = self.image.topics.get(name)
                if image is not None and image.partition_count >= at_least:
                    return image
                if trio.current_time() >= deadline:
                    if image is None or not image.partitions:
                        self._topics.discard(name)
                    raise failure or broker_error(code, _to_do(name, code))
                await trio.sleep_until(min(deadline, trio.current_time() + self.backoff_s))

    async def _try_refresh_until(self, deadline: float) -> OdradekError | None:
        with trio.move_on_at(deadline):
            try:
                await self.refresh()
            except OdradekError as error:
                if not error.retriable:
                    raise
                return error
        return None

    def _covers_wanted(self) -> bool:
        return self._asked is None or (not self._all_topics and self._topics <= self._asked)

    async def _ask(self) -> None:
        topics = None if self._all_topics else set(self._topics)
        question = MetadataRequest(
            topics=None if topics is None else [MetadataRequestTopic(name=name) for name in sorted(topics)],
            allow_auto_topic_creation=self._creates_topics,
        )
        answer = await self.ask_first(question, MetadataResponse)
        if answer.error_code:
            raise broker_error(answer.error_code, "Metadata")
        self.image.merge(answer, asked=topics)
        self._asked = topics
        self.changed.announce()

    async def _keep_fresh(self) -> None:
        while True:
            await self._wish.wait(trio.current_time() + self._config.metadata_max_age_ms / 1000)
            try:
                await self.refresh()
                self.activities.end("metadata")
            except OdradekError as error:
                logger.debug("metadata: %s", error)
                self.activities.begin("metadata", str(error))
                self._wish.set()
            await trio.sleep(self.backoff_s)


def _to_do(topic: str, code: ErrorCode) -> str:
    if code is not ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return topic
    return f"{topic}: make it with Admin.create_topic, or with `odradek topic create {topic}`"
