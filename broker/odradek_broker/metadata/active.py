"""The active controller's Trio side: it answers requests by decisions, and fences brokers that are gone.

    broker.run
      ControllerRuntime.run    prefers first replicas, writes snapshots, ends with its journal
        Fencing.run            fences who is silent, and probes whose connection has ended

How a decision is made and written down is decider.py's; which decision answers which request, decisions.py's.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import trio
from msgspec import Struct

from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek_broker.controller.delegation_tokens import forget_expired
from odradek_broker.controller.elections import elect_preferred
from odradek_broker.controller.frame import frame
from odradek_broker.controller.heartbeats import shorter_than_ms
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import Journal, JournalDamaged
from odradek_broker.controller.membership import bootstrap, fence_broker, register_broker, unfence_broker
from odradek_broker.controller.min_insync import one_truth, overruled
from odradek_broker.controller.replay import replay
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.scram_users import first_users, salts_of_nobody
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.stamps import TERM_BYTES, Stamps
from odradek_broker.log.failures import DiskFailed, LogFailed
from odradek_broker.metadata.client import CameLate, JournalUnavailable
from odradek_broker.metadata.decider import Decider, OnImage
from odradek_broker.metadata.decisions import LONG, Decision, decisions
from odradek_broker.metadata.fencing import Fencing
from odradek_broker.metadata.messages import FollowMetadataRequest, FollowMetadataResponse

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Network
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Struct)

WITNESS_SESSIONS = 0.2
"""How long brokers have to say what they know, where the journal's end was left out. Who lives asks within a moment."""


class Arrived(NamedTuple):
    """How a request came over a connection."""

    stamp: bytes
    patience_ms: int


class ControllerRuntime:
    """Decides for the whole cluster, for as long as it is the only one that may."""

    def __init__(
        self,
        journal: Journal,
        config: BrokerConfig,
        clock: Clock,
        random: Random,
        cluster_id: str,
        on_image: OnImage,
        workers: Workers,
        network: Network | None = None,
        *,
        may_decide: Callable[[], bool] = lambda: True,
        predecessor_ms: int = 0,
        has_rivals: bool = False,
    ) -> None:
        """`config`: as it was at the start. Without a network there are no other brokers.

        With `has_rivals`, other processes may become controller, and `may_decide` says whether none of them can be
        active; for `predecessor_ms` from the start on the one before may still answer heartbeats in our place.
        """
        self.config = config
        self._clock = clock
        self._random = random
        self._has_right = may_decide
        self._predecessor_ms = predecessor_ms
        self._has_rivals = has_rivals
        self._stamps = Stamps(random.randbytes(TERM_BYTES))
        self._decider = Decider(journal, workers, clock, cluster_id, on_image)
        self._fencing = Fencing(self._decider, config, clock, network)
        self._decisions = decisions(config, random, clock.now_ms)
        self.journal_over = self._decider.journal_over
        """Nothing can be decided any more."""
        self._lost_history = ""
        """Of what this controller has been told that it should know, where its journal is over for that."""

    @property
    def image(self) -> MetadataImage:
        return self._decider.image

    @property
    def metadata_epoch(self) -> int:
        return self._decider.journal.history.epoch_of(self.image.offset)

    # --------------------------------------------------------------------------------------------------------- life

    def may_decide(self) -> bool:
        """Whether anything may be answered: no other process is active, and the journal is not over.

        A controller that could only answer heartbeats would keep leaders alive that it can never replace.
        """
        return self._has_right() and not self.journal_over.is_set()

    @property
    def is_stopping(self) -> bool:
        """Whoever follows is to look elsewhere."""
        return self._decider.is_stopping

    def lease_ms(self, request: BrokerHeartbeatRequest | BrokerRegistrationRequest) -> int:
        """What to tell whoever has sent that: for how long it may act as a leader, or its predecessor may."""
        heartbeats = self._fencing.heartbeats
        if isinstance(request, BrokerHeartbeatRequest):
            return heartbeats.lease_ms(request.broker_id, request.broker_epoch)
        return shorter_than_ms(heartbeats.session_ms)

    async def start(self) -> None:
        """Replay the journal, or begin it, and complete it. `on_image` is not called.

        Raises OSError, ProtocolError; with rivals also ControllerUnavailable.
        """
        await self._decider.load()
        is_new = self.image.offset < 0
        records = [*bootstrap(), *first_users(self.config, self._random)] if is_new else []
        if self.image.scram:
            records += salts_of_nobody(self.image, self._random)
        records += one_truth(self.image, self.config)
        with self._beginning():
            await self._decider.begin(records)
        self._fencing.heartbeats.heard_elsewhere(self._clock.monotonic_ms() + self._predecessor_ms)
        torn = self._decider.journal.torn
        if torn is not None:
            self._call_witnesses(torn)
        self._fencing.watch_everybody()
        if "broker" not in self.config.process_roles and (line := overruled(self.image, self.config)):
            logger.warning("%s", line)

    async def run(self) -> None:
        """Fence who is silent, until cancelled.

        Once nothing can be written any more, raises LogFailed where another process may take over, else DiskFailed;
        JournalDamaged where something is gone that had been decided.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._prefer_first_replicas)
            nursery.start_soon(self._forget_tokens)
            nursery.start_soon(self._decider.write_snapshots)
            nursery.start_soon(self._end_with_journal)
            await self._fencing.run()

    async def _end_with_journal(self) -> None:
        await self.journal_over.wait()
        if self._has_rivals:
            raise LogFailed(self._lost_history or "the journal is over")
        if self._lost_history:
            raise JournalDamaged(self._lost_history)
        raise DiskFailed(
            "the controller cannot go on: nobody knows how much of the metadata is on the disk. "
            "It ends, and reads its journal anew when it is started again"
        )

    def stop(self) -> None:
        """Those that follow get an answer now, and no more. From now on nobody is fenced or elected of itself."""
        self._decider.stop()

    def close(self) -> None:
        """Blocks. Raises OSError, LogFailed."""
        self._decider.journal.close()

    async def let_in(self, request: BrokerRegistrationRequest) -> BrokerRegistrationResponse:
        """Let the broker of this process in, in one step: its predecessor is gone for sure, and it follows us as we go.

        Raises OSError.
        """

        def decide(image: MetadataImage) -> ControllerResult[BrokerRegistrationResponse]:
            records = fence_broker(image, request.broker_id, self.config)
            image = replay(image, records)
            registered = register_broker(image, request, self.config)
            if registered.response.error_code:
                return registered
            records += registered.records
            image = replay(image, registered.records)
            return ControllerResult(
                [*records, *unfence_broker(image, request.broker_id, self.config)], registered.response
            )

        with self._beginning():
            response = await self._decider.decide(decide)
        self._fencing.heartbeats.forget(request.broker_id, response.broker_epoch)
        return response

    @contextlib.contextmanager
    def _beginning(self) -> Iterator[None]:
        """A controller that cannot write down even how it begins is none."""
        try:
            yield
        except JournalUnavailable as error:
            if self._has_rivals:
                raise
            raise DiskFailed(f"the controller cannot begin: {error}") from error

    # ---------------------------------------------------------------------------------------------------- requests

    def decides(self, kind: type) -> bool:
        """Whether requests of that kind are for a controller."""
        return kind in self._decisions

    def stamp(self) -> bytes:
        """To be given with every answer to what was forwarded."""
        return self._stamps.stamp(self._clock.monotonic_ms())

    async def ask(self, request: Any, answer: type[A], version: int, arrived: Arrived | None = None) -> A:
        """`arrived`: how it came, where it would do harm when it comes late. Raises CameLate for that."""
        decision: Decision = self._decisions[type(request)]

        def decide(image: MetadataImage) -> ControllerResult[Any]:
            self._refuse_late(arrived)
            if isinstance(request, BrokerHeartbeatRequest):
                # Once more: while it waited for its turn that life may have been fenced, and forgotten.
                self._fencing.hear(request.broker_id, request.broker_epoch)
            return decision(image, request, version)

        self._refuse_late(arrived)
        if isinstance(request, BrokerHeartbeatRequest):
            self._fencing.hear(request.broker_id, request.broker_epoch)
            if (beat := self._answer_at_once(request, version)) is not None:
                assert isinstance(beat, answer)
                return beat
        if isinstance(request, BrokerRegistrationRequest):
            await self._fencing.fence_predecessor(request)
        response: A = await self._decider.decide(decide, is_long=type(request) in LONG)
        assert isinstance(response, answer)
        if isinstance(response, BrokerRegistrationResponse) and not response.error_code:
            self._fencing.heartbeats.heard(request.broker_id, response.broker_epoch, self._clock.monotonic_ms())
        return response

    def _answer_at_once(self, request: BrokerHeartbeatRequest, version: int) -> BrokerHeartbeatResponse | None:
        """What nearly every heartbeat is answered: it changes nothing, and a lease must not wait for a slow journal.

        None where something may change, or where what is being written is of that broker: it may be fenced by it.
        """
        if request.want_shut_down or request.want_fence:
            return None
        decision: Decision = self._decisions[BrokerHeartbeatRequest]
        response: BrokerHeartbeatResponse | None = self._decider.answer_at_once(
            lambda image: decision(image, request, version),
            lambda record: getattr(record, "broker_id", None) == request.broker_id,
        )
        return response

    async def follow(self, request: FollowMetadataRequest) -> FollowMetadataResponse:
        """The metadata from an offset on, once there is some, or the time is over.

        Only true if `may_decide` afterwards: the broker may have been told what is not in the journal any more.
        """
        self._take_evidence(request)
        with trio.move_on_after(max(request.max_wait_ms, 0) / 1000):
            await self._decider.wait_for(request.next_offset)
        image = self.image
        frames = self._decider.tail.since(request.next_offset)
        is_snapshot = frames is None
        if frames is None:
            frames = [frame(record) for record in records_of(image)]
        return FollowMetadataResponse(
            cluster_id=image.cluster_id,
            controller_id=self.config.node_id,
            has_rivals=self._has_rivals,
            is_snapshot=is_snapshot,
            last_offset=image.offset,
            records=frames,
            epoch=self._decider.journal.history.epoch_of(image.offset),
        )

    def connection_lost(self, broker_id: int, epoch: int) -> None:
        """The connection over which a broker sent heartbeats has ended: see whether the broker has, too."""
        self._fencing.connection_lost(broker_id, epoch)

    def _call_witnesses(self, torn: str) -> None:
        """The journal's end was left out (witnesses.py)."""
        logger.warning("the last decision is not whole, and left out: %s. Nobody was told of it, if it is torn", torn)
        brokers = {each.broker_id for each in self.image.brokers.values() if not each.fenced} - {self.config.node_id}
        self._decider.witnesses.call(brokers, WITNESS_SESSIONS * self.config.broker_session_timeout_ms / 1000)

    def _take_evidence(self, request: FollowMetadataRequest) -> None:
        """A broker is told what is durable. If it has been told more than there is, then the journal has lost its end,
        or another controller has taken over: either way we must not go on.
        """
        if request.cluster_id != self.image.cluster_id or request.seen_offset < 0:
            return
        if not self._decider.journal.history.has(request.seen_offset, request.seen_epoch, self.image.offset + 1):
            advice = "Brokers that run still know: odradek metadata restore"
            if self._has_rivals:
                advice = "Another controller has taken over; or else etcd was set back, and has to be brought forward"
            self._lost_history = (
                f"the journal of the metadata has lost what it had acknowledged: it ends at {self.image.offset}, "
                f"but broker {request.broker_id} knows of offset {request.seen_offset}, epoch {request.seen_epoch}. "
                f"Nothing is decided without that. {advice}"
            )
            self.journal_over.set()
        self._decider.witnesses.heard(request.broker_id)

    def _refuse_late(self, arrived: Arrived | None) -> None:
        if arrived is not None and not self._stamps.is_good(*arrived, self._clock.monotonic_ms()):
            raise CameLate("it has been on its way for too long")

    async def _prefer_first_replicas(self) -> None:
        while True:
            await trio.sleep(self.config.leader_imbalance_check_interval_seconds)
            if self.config.auto_leader_rebalance_enable:
                await self._decide_unasked(lambda image: elect_preferred(image, self.config))

    async def _forget_tokens(self) -> None:
        """Those whose time is over."""
        while True:
            await trio.sleep(self.config.delegation_token_expiry_check_interval_ms / 1000)
            if self.image.tokens:
                await self._decide_unasked(lambda image: forget_expired(image, self._clock.now_ms()))

    async def _decide_unasked(self, records: Callable[[MetadataImage], list[Struct]]) -> None:
        if not self.is_stopping:
            with contextlib.suppress(JournalUnavailable):  # there will be another time
                await self._decider.decide(lambda image: ControllerResult(records(image), None), is_long=True)
