"""For one broker that leads partitions of which we keep replicas: one task that fetches them all.

A round: wait until all that the logs hold is on stable storage (with log.flush.policy=sync), ask for what comes after
the end of each, and let the follower take what came (follower.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, ReplicaState
from odradek_broker.loop.troubles import Troubles
from odradek_broker.metadata.peer import Peer, PeerUnreachable
from odradek_broker.partitions.follower import RETRY_SECONDS, Asked, Key
from odradek_broker.replication.truncation import last_epoch

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.metadata.reachability import Reachability
    from odradek_broker.partitions.follower import Follower
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.ports.network import Address

logger = logging.getLogger(__name__)

FETCH_VERSION = 17
ANSWER_SECONDS = 10.0
ANSWER = "answer"
"""The only subject of trouble: what a partition's own trouble is the follower says."""


class ReplicaFetcher:
    """From one leader."""

    def __init__(
        self,
        context: NodeContext,
        controller: ControllerClient,
        reachability: Reachability,
        follower: Follower,
        leader_id: int,
        address: Address,
        partitions: dict[Key, Partition],
    ) -> None:
        self.address = address
        self._context = context
        self._controller = controller
        self._reachability = reachability
        self._follower = follower
        self._leader_id = leader_id
        self._peer = Peer(context.network, address, f"replica-{context.node_id}")
        self._partitions = partitions
        self._epochs = {key: partition.leader_epoch for key, partition in partitions.items()}
        self._troubles = Troubles(logger)
        self._asking = trio.CancelScope()
        self._scope = trio.CancelScope()

    def assign(self, partitions: dict[Key, Partition]) -> None:
        """Fetch these from now on: a long poll that has been asked in ignorance of a new one is given up."""
        epochs = {key: partition.leader_epoch for key, partition in partitions.items()}
        if epochs != self._epochs:
            self._partitions, self._epochs = partitions, epochs
            self._follower.forget_rests()
            self._asking.cancel()

    def stop(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        try:
            with self._scope:
                while True:
                    await self._round()
        finally:
            self._peer.close()

    async def _round(self) -> None:
        if self._follower.is_behind(self._partitions.values()):
            with trio.CancelScope() as self._asking:
                await self._follower.wait_flushed(self._partitions.values())
            if self._asking.cancelled_caught:
                return
        asked = self._follower.due(self._partitions, trio.current_time())
        if not asked:
            await self._pause(RETRY_SECONDS)
            return
        request, said = self._request(asked)
        answer = await self._answer(request)
        if answer is None:
            return
        self._reachability.reached(self._leader_id)
        if answer.error_code:
            code = ErrorCode.from_code(answer.error_code).name
            self._troubles.tell(ANSWER, f"broker {self._leader_id} answers a fetch with {code}", logging.WARNING)
            await self._pause(self._context.config.replica_fetch_backoff_ms / 1000)
            return
        self._troubles.over(ANSWER)
        await self._follower.take(asked, said, answer)

    async def _answer(self, request: FetchRequest) -> FetchResponse | None:
        """None where there are others to ask for, or the leader is not to be reached: then after a rest."""
        why: object = f"no answer in {ANSWER_SECONDS:g} s"
        with trio.CancelScope(deadline=trio.current_time() + ANSWER_SECONDS) as self._asking:
            try:
                return await self._peer.ask_patiently(request, FetchResponse, FETCH_VERSION)
            except PeerUnreachable as error:
                why = error
        if not self._asking.cancelled_caught or trio.current_time() >= self._asking.deadline:
            logger.debug("fetching from broker %d: %s", self._leader_id, why)
            self._reachability.lost(self._leader_id)
            await self._pause(RETRY_SECONDS)
        return None

    async def _pause(self, seconds: float) -> None:
        """Ends when there are others to ask for."""
        with trio.CancelScope() as self._asking:
            await trio.sleep(seconds)

    def _request(self, asked: dict[Key, Partition]) -> tuple[FetchRequest, dict[Key, Asked]]:
        config, follower = self._context.config, self._follower
        topics, said = defaultdict(list), dict[Key, Asked]()
        for key, partition in asked.items():
            log, offset = partition.log, follower.offset_to_ask(partition)
            said[key] = Asked(partition.leader_epoch, offset)
            topics[key[0]].append(
                FetchPartition(
                    partition=partition.index,
                    current_leader_epoch=partition.leader_epoch,
                    fetch_offset=offset,
                    last_fetched_epoch=last_epoch(log.epochs, offset),
                    log_start_offset=follower.start_to_tell(partition),
                    partition_max_bytes=config.replica_fetch_max_bytes,
                )
            )
        request = FetchRequest(
            replica_state=ReplicaState(self._context.node_id, self._controller.broker_epoch),
            max_wait_ms=config.replica_fetch_wait_max_ms,
            min_bytes=config.replica_fetch_min_bytes,
            max_bytes=config.replica_fetch_response_max_bytes,
            topics=[FetchTopic(topic_id=topic_id, partitions=entries) for topic_id, entries in topics.items()],
        )
        return request, said
