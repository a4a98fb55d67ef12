"""A controller among several: it waits until it may be the active one, is that for as long as it can, and waits again.

The active one holds the key <prefix>/leader in etcd under a lease. Others take over when the key is gone: because the
lease has run out (a pause, a cut), or because somebody has seen that the active one's port refuses connections (a
death) and has deleted the key. That is safe even where it is wrong: whoever lost the key can write nothing any more,
and answers nothing after its lease, which it counts from when it sent the last renewal that was answered.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek_broker.log.failures import LogFailed
from odradek_broker.runtime.controller_client import ControllerUnavailable
from odradek_broker.runtime.etcd import Compare, Etcd, EtcdUnavailable
from odradek_broker.runtime.etcd_journal import EtcdJournal, cluster_id_key, leader_key

if TYPE_CHECKING:
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Address, Network
    from odradek_broker.runtime.controller import ControllerRuntime

logger = logging.getLogger(__name__)

LEASE_SECONDS = 3
RENEW_SECONDS = 0.75
LOOK_SECONDS = 0.1
RETRY_SECONDS = 0.5
SAID_EVERY = 20
"""How many attempts in vain go by until it is said again."""
REFUSALS = 2
"""In a row, before the active one is taken to be dead."""

MakeController = Callable[[EtcdJournal, Callable[[], bool]], "ControllerRuntime"]


class Leader(Struct, frozen=True):
    """What is written in the leader's key."""

    node_id: int
    host: str
    port: int


class Candidate:
    """One for a process."""

    def __init__(
        self,
        etcd: Etcd,
        prefix: str,
        node_id: int,
        address: Address,
        network: Network,
        clock: Clock,
        make_controller: MakeController,
        on_active: Callable[[ControllerRuntime | None], None],
    ) -> None:
        """`on_active` is told the controller while it is the active one, and None when it no longer is."""
        self._etcd = etcd
        self._prefix = prefix
        self._me = Leader(node_id, *address)
        self._network = network
        self._clock = clock
        self._make_controller = make_controller
        self._on_active = on_active
        self._lease_until_ms = -1

    async def cluster_id(self, proposed: str) -> str:
        """The cluster's, which is the proposed one where there is none yet. Waits for etcd."""
        key = cluster_id_key(self._prefix)
        for attempt in itertools.count():
            try:
                await trio.to_thread.run_sync(partial(self._etcd.commit, [Compare(key, 0)], [(key, proposed.encode())]))
                found = await trio.to_thread.run_sync(partial(self._etcd.get, key))
                if found is not None:
                    return found.value.decode()
            except EtcdUnavailable as error:
                if attempt % SAID_EVERY == 0:
                    logger.warning("waiting for etcd: %s", error)
            await trio.sleep(RETRY_SECONDS)
        raise AssertionError

    async def run(self) -> None:
        """Until cancelled; then the key is given back."""
        while True:
            try:
                await self._wait_until_vacant()
                await self._be_active()
            except* (EtcdUnavailable, LogFailed, ControllerUnavailable, ProtocolError) as errors:
                logger.warning("controller %d: %s", self._me.node_id, _first(errors))
                await trio.sleep(RETRY_SECONDS)

    # ------------------------------------------------------------------------------------------------------- waiting

    async def _wait_until_vacant(self) -> None:
        refused = 0
        while True:
            found = await trio.to_thread.run_sync(partial(self._etcd.get, leader_key(self._prefix)))
            if found is None:
                return
            leader = msgspec.json.decode(found.value, type=Leader)
            refused = refused + 1 if await self._is_refused(leader) else 0
            if refused >= REFUSALS or leader == self._me:
                if leader != self._me:
                    logger.warning("controller %d is gone: its port refuses connections", leader.node_id)
                condition = Compare(found.key, found.create_revision)
                await trio.to_thread.run_sync(partial(self._etcd.commit, [condition], deletes=[(found.key, None)]))
            else:
                await trio.sleep(LOOK_SECONDS)

    async def _is_refused(self, leader: Leader) -> bool:
        if leader == self._me:
            return False
        try:
            with trio.move_on_after(1):
                (await self._network.connect(leader.host, leader.port)).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

    # -------------------------------------------------------------------------------------------------- being active

    async def _be_active(self) -> None:
        sent_ms = self._clock.monotonic_ms()
        lease = await trio.to_thread.run_sync(partial(self._etcd.grant, LEASE_SECONDS))
        key = leader_key(self._prefix)
        put = (key, msgspec.json.encode(self._me))
        if not await trio.to_thread.run_sync(partial(self._etcd.commit, [Compare(key, 0)], [put], lease=lease)):
            await trio.to_thread.run_sync(partial(self._etcd.revoke, lease))
            return
        self._lease_until_ms = sent_ms + LEASE_SECONDS * 1000
        try:
            found = await trio.to_thread.run_sync(partial(self._etcd.get, key))
            if found is not None and found.lease == lease:
                await self._lead(lease, found.create_revision)
        finally:
            self._lease_until_ms = -1
            self._on_active(None)
            with trio.move_on_after(1) as patience:
                patience.shield = True
                await self._give_back(lease)

    async def _lead(self, lease: int, revision: int) -> None:
        journal = EtcdJournal(self._etcd, self._prefix, revision)
        controller = self._make_controller(journal, self._has_lease)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._renew, lease, nursery.cancel_scope)
            await controller.start()
            logger.info("controller %d is active", self._me.node_id)
            self._on_active(controller)
            await controller.run()

    def _has_lease(self) -> bool:
        return self._clock.monotonic_ms() < self._lease_until_ms

    async def _renew(self, lease: int, scope: trio.CancelScope) -> None:
        while self._has_lease():
            await trio.sleep(RENEW_SECONDS)
            sent_ms = self._clock.monotonic_ms()
            try:
                if not await trio.to_thread.run_sync(partial(self._etcd.keep_alive, lease)):
                    break
                self._lease_until_ms = sent_ms + LEASE_SECONDS * 1000
            except EtcdUnavailable as error:
                logger.warning("controller %d cannot renew its lease: %s", self._me.node_id, error)
        logger.warning("controller %d is no longer active: its lease is over", self._me.node_id)
        scope.cancel()

    async def _give_back(self, lease: int) -> None:
        try:
            await trio.to_thread.run_sync(partial(self._etcd.revoke, lease))
        except EtcdUnavailable:
            pass  # it runs out by itself


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
