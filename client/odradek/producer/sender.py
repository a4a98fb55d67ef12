"""Sends what the accumulator holds: one task for each broker that leads something, one for each request under way.

A broker's task drains, builds, submits, in that order and never two at once, so what a partition's queue gives out in
order goes out in order. The answers are waited for by tasks of their own: up to max_in_flight requests are under way.
"""

from __future__ import annotations

import logging
from functools import partial

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.connection import Connection, Reply
from odradek.cluster.metadata import NO_LEADER, BrokerAddress
from odradek.errors import ConnectionFailed, OdradekError, ProducerClosed, TransactionAborted
from odradek.producer.accumulator import Accumulator
from odradek.producer.config import ProducerConfig
from odradek.producer.identity import Admission, Identity
from odradek.producer.outcomes import Outcomes, timed_out
from odradek.producer.queue import Batch
from odradek.producer.requests import build_request, match_answers, version_limit
from odradek.producer.transactions import Transactions
from odradek.protocol.messages.produce import ProduceRequest, ProduceResponse
from odradek.protocol.records.codecs import Codec
from odradek.wakeup import Changes, Wakeup

logger = logging.getLogger(__name__)

REDIRECTS_WITHOUT_PAUSE = 2

PURPOSE = "produce"

OVERDUE_SECONDS = 0.5
"""How long a connection, or an answer, may take before it is asked, again and again, who leads."""
ASK_AGAIN_SECONDS = 0.1
PATIENCE = 10
"""Who has waited for so long waits for a fraction of that until it asks again, one in PATIENCE: a broker that is slow
because it has much to do is not to be asked ten times a second besides, by all of them."""

LARGE_COMPRESSION_BYTES = 256 * 1024
"""From this many bytes on, compressing happens in a worker thread: below, handing it over costs more than it frees."""


class Sender:
    """Runs in the producer's nursery."""

    def __init__(self, cluster: Cluster, config: ProducerConfig, nursery: trio.Nursery) -> None:
        self.accumulator = Accumulator(config, trio.current_time, self._wake)
        self.settled = Changes()
        """Announced whenever batches are done."""
        self.failed: list[Batch] = []
        """Batches given up since the last look at them."""
        self._cluster = cluster
        self._config = config
        self._nursery = nursery
        self.transactions: Transactions | None = None
        self._admission: Admission = Identity(cluster)
        if config.transactional_id is not None:
            self.transactions = Transactions(cluster, config.transactional_id, config.transaction_timeout_ms)
            self._admission = self.transactions
        self._outcomes = Outcomes(
            config.delivery_timeout_ms / 1000,
            idempotent=config.is_idempotent,
            transactional=self.transactions is not None,
        )
        self._wakeups: dict[int, Wakeup] = {}
        self._in_flight: dict[int, int] = {}
        self._is_abandoned = False

    def start(self) -> None:
        self._nursery.start_soon(self._follow_metadata)
        self._nursery.start_soon(self._expire)

    def in_flight_count(self) -> int:
        return sum(self._in_flight.values())

    def wake_all(self) -> None:
        for wakeup in self._wakeups.values():
            wakeup.set()

    def abandon(self) -> None:
        """The producer ends: whatever is not delivered fails now, and answers that still come are not looked at."""
        self._is_abandoned = True
        error = ProducerClosed("the producer was closed before the record was delivered")
        for queue in list(self.accumulator.queues):
            for batch in [*queue.in_flight, *queue.take_expired(float("inf"))]:
                batch.fail(error)
                self.accumulator.release(batch)
                self.failed.append(batch)
            queue.in_flight.clear()
        self.settled.announce()

    # ------------------------------------------------------------------------------------------ one broker's task

    def _wake(self, leader: int) -> None:
        wakeup = self._wakeups.get(leader)
        if wakeup is not None:
            wakeup.set()
        elif leader == NO_LEADER:
            self._cluster.wish_refresh()
        else:
            wakeup = self._wakeups[leader] = Wakeup()
            wakeup.set()
            self._nursery.start_soon(self._serve, leader, wakeup)

    async def _serve(self, leader: int, wakeup: Wakeup) -> None:
        self._in_flight[leader] = 0
        while True:
            now = trio.current_time()
            if self._in_flight[leader] >= self._config.max_in_flight:
                await wakeup.wait()
                continue
            await self._admit(leader)
            batches = self.accumulator.drain(leader, now)
            if batches:
                await self._send(leader, batches)
            else:
                await wakeup.wait(self.accumulator.next_look_at(leader))

    async def _send(self, leader: int, batches: list[Batch]) -> None:
        try:
            for batch in batches:
                await self._build(batch)
                if self._is_abandoned:  # while a thread was compressing, which goes on when cancelled
                    return
            connection = self._cluster.existing_connection(leader, PURPOSE) or await self._reach(leader, batches)
            reply = self._submit(connection, batches)
        except OdradekError as error:
            self._all_unanswered(leader, batches, error)
            return
        self._in_flight[leader] += 1
        self._nursery.start_soon(self._finish, leader, batches, reply)

    async def _reach(self, leader: int, batches: list[Batch]) -> Connection:
        """Raises OdradekError, also where others lead before the connection is open."""
        found: Connection | OdradekError = ConnectionFailed(f"others lead what was to be sent to broker {leader}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_when_others_lead, leader, batches, nursery.cancel_scope)
            try:
                found = await self._cluster.connection(leader, PURPOSE)
            except OdradekError as error:
                found = error
            nursery.cancel_scope.cancel()
        if isinstance(found, OdradekError):
            raise found
        return found

    async def _end_when_others_lead(self, leader: int, batches: list[Batch], scope: trio.CancelScope) -> None:
        began_at, patience_s = trio.current_time(), OVERDUE_SECONDS
        while not _others_lead(self._cluster, leader, batches):
            with trio.move_on_after(patience_s) as patience:
                await self._cluster.changed.wait()
            if patience.cancelled_caught:
                self._cluster.wish_refresh(doubted=leader)
                patience_s = _ask_again_after_s(began_at)
        scope.cancel()

    def _submit(self, connection: Connection, batches: list[Batch]) -> Reply[ProduceResponse] | Reply[None]:
        image = self._cluster.image
        transactional_id = self._config.transactional_id
        adds = self.transactions is None or self.transactions.core.is_newer
        version = connection.version_of(ProduceRequest, version_limit(batches, image, adds=adds))
        acks = self._config.required_acks
        request = build_request(batches, image, acks, self._config.request_timeout_ms, transactional_id)
        if acks == 0:
            return connection.submit_unanswered(request, version)
        return connection.submit(request, ProduceResponse, version)

    async def _build(self, batch: Batch) -> None:
        """Number and encode, unless an earlier attempt has done so."""
        if batch.payload is not None:
            return
        assert batch.builder is not None
        if self._config.is_idempotent:
            batch.queue.sequences.number(batch)
        numbers = (batch.producer_id, batch.producer_epoch, batch.base_sequence)
        build = partial(batch.builder.build, *numbers, is_transactional=self.transactions is not None)
        if self._config.codec is not Codec.NONE and batch.size_bytes >= LARGE_COMPRESSION_BYTES:
            batch.payload = await trio.to_thread.run_sync(build)
        else:
            batch.payload = build()

    async def _admit(self, leader: int) -> None:
        """Let queues send that have lacked an identity, or are not part of the transaction yet."""
        while queues := self.accumulator.to_admit(leader):
            try:
                await self._admission.admit(queues)
            except OdradekError as error:
                for queue in queues:
                    for batch in queue.take_expired(float("inf")):
                        self._give_up(batch, error)
                self.settled.announce()

    # ----------------------------------------------------------------------------------------------- answers

    async def _finish(self, leader: int, batches: list[Batch], reply: Reply[ProduceResponse] | Reply[None]) -> None:
        try:
            answer = await self._answer(leader, batches, reply)
        except OdradekError as error:
            self._all_unanswered(leader, batches, error)
        else:
            if not self._is_abandoned:
                self._take_answer(batches, answer)
        finally:
            self._in_flight[leader] -= 1
            self._wakeups[leader].set()

    async def _answer(
        self, leader: int, batches: list[Batch], reply: Reply[ProduceResponse] | Reply[None]
    ) -> ProduceResponse | None:
        """Raises OdradekError. A broker that hangs while others lead by now is given up as if its time were over.

        One that lives would have said that it does not lead any more; but not before it can answer for what it leads.
        """
        sent_at = trio.current_time()
        give_up_at = sent_at + self._cluster.request_timeout_s
        patience_s = OVERDUE_SECONDS
        while not await reply.comes_within(min(patience_s, give_up_at - trio.current_time())):
            self._cluster.wish_refresh(doubted=leader)
            patience_s = _ask_again_after_s(sent_at)
            if trio.current_time() >= give_up_at or _others_lead(self._cluster, leader, batches):
                break
        return await reply.wait(0, trio.current_time() - sent_at)

    def _take_answer(self, batches: list[Batch], answer: ProduceResponse | None) -> None:
        if answer is None:  # acks=0: sent is all there is to know
            for batch in batches:
                batch.queue.settle(batch)
                batch.complete(-1, -1)
                self._settled(batch)
            self.settled.announce()
            return
        image = self._cluster.image
        image.take_brokers(BrokerAddress(n.node_id, n.host, n.port, n.rack) for n in answer.node_endpoints)
        now = trio.current_time()
        for batch, partition in match_answers(batches, answer, image):
            if partition is None:
                missing = ConnectionFailed("the broker passed over the partition")
                done = self._outcomes.unanswered(batch, missing, now, self._cluster.backoff_s)
            else:
                done = self._outcomes.answered(batch, partition, now, self._cluster.backoff_s)
                if not done:
                    self._look_for_leader(
                        batch, partition.current_leader.leader_id, partition.current_leader.leader_epoch
                    )
            self._after(batch, done)
        self.settled.announce()

    def _all_unanswered(self, leader: int, batches: list[Batch], error: OdradekError) -> None:
        """Where others lead by now, nobody has to wait before they are asked."""
        if self._is_abandoned:
            return
        logger.debug("%d batches unanswered: %s", len(batches), error)
        self._cluster.wish_refresh()
        now, backoff_s = trio.current_time(), self._cluster.backoff_s
        if _others_lead(self._cluster, leader, batches):
            backoff_s = 0.0
        for batch in batches:
            self._after(batch, self._outcomes.unanswered(batch, error, now, backoff_s))
        self.settled.announce()

    def _look_for_leader(self, batch: Batch, leader: int, leader_epoch: int) -> None:
        """Believe the broker that names the new leader (KIP-951); ask, where it does not. Who is sent on again and
        again waits in between."""
        queue = batch.queue
        if self._cluster.image.take_leader(queue.topic, queue.partition, leader, leader_epoch):
            if batch.attempts <= REDIRECTS_WITHOUT_PAUSE:
                queue.not_before = 0.0
            self._cluster.changed.announce()
            self.accumulator.follow(self._cluster.image)
        else:
            self._cluster.wish_refresh()

    def _after(self, batch: Batch, done: bool) -> None:
        if done:
            self._settled(batch)
        self.accumulator.list_again(batch.queue)

    def _settled(self, batch: Batch) -> None:
        self.accumulator.release(batch)
        if batch.error is None:
            return
        if not isinstance(batch.error, TransactionAborted):  # of that, the transaction's block has told
            self.failed.append(batch)
        if self.transactions is not None:
            self.transactions.core.fail(batch.error)

    def _give_up(self, batch: Batch, error: OdradekError) -> None:
        """A batch that is in no queue any more."""
        batch.fail(error)
        self._settled(batch)

    async def drop_unsent(self) -> None:
        """Fail all that is not in flight, and wait for what is. Nothing of it is sent again: it may not be admitted."""
        error = TransactionAborted("the transaction was aborted")
        while any(queue.unsettled() for queue in self.accumulator.queues):
            for queue in self.accumulator.queues:
                for batch in queue.take_expired(float("inf")):
                    self._give_up(batch, error)
            self.settled.announce()
            if any(queue.in_flight for queue in self.accumulator.queues):
                await self.settled.wait()
        self.failed.clear()

    def end_transaction(self) -> None:
        """Nothing is sent before it has been made part of the next one."""
        for queue in self.accumulator.queues:
            queue.needs_admission = True

    # ------------------------------------------------------------------------------------------- other tasks

    async def _follow_metadata(self) -> None:
        while True:
            self.accumulator.follow(self._cluster.image)
            if NO_LEADER in self.accumulator.leaders_waited_for():
                self._cluster.activities.begin("producer", "a partition has no leader")
                self._cluster.wish_refresh()
            else:
                self._cluster.activities.end("producer")
            await self._cluster.changed.wait()

    async def _expire(self) -> None:
        while True:
            await trio.sleep_until(self.accumulator.next_expiry(trio.current_time()))
            for batch in self.accumulator.take_expired(trio.current_time()):
                self._give_up(batch, timed_out(batch))
            self.settled.announce()


def _ask_again_after_s(since: float) -> float:
    return max(ASK_AGAIN_SECONDS, (trio.current_time() - since) / PATIENCE)


def _others_lead(cluster: Cluster, leader: int, batches: list[Batch]) -> bool:
    """Whether that broker leads nothing of it any more, and others do."""
    leaders = {cluster.image.leader(each.queue.topic, each.queue.partition) for each in batches}
    return leader not in leaders and leaders != {NO_LEADER}
