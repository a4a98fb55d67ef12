"""A controller among several: it waits until it may be the active one, is that for as long as it can, and waits again.

The active one holds the key <prefix>/leader in etcd under a lease. Others take over when the key is gone: because the
lease has run out (a pause, a cut), or because somebody has seen that the active one's port refuses connections (a
death, as a rule) and has revoked that lease, by which the key goes. A lease belongs to one who held the key once, so a
revocation that comes late strikes nobody else.

    in etcd             vacant -- put under a lease, if there is no such key --> held
                        held   -- the lease runs out, or is revoked ----------> vacant
    whoever holds it    believes in it from when it asked for the lease, for TERM_MS at most
                        asks each RENEW_SECONDS to keep the lease, and a majority whether the key is still its own:
                        counts anew from when it asked; or hears that it is not, and is over at once

Whoever is deposed can write nothing from that moment on. It may answer heartbeats, and so give brokers leases, until it
hears of it: TERM_MS at most after it last asked, when the key was still its own. Its successor therefore puts nobody
out for silence before that and a session more is over; of the sessions of all controllers there were, the longest.
Whoever refuses connections is another matter, and is put out at once.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import trio
from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek_broker.election.etcd import Created, Etcd, EtcdUnavailable, KeyValue
from odradek_broker.election.etcd_journal import EtcdJournal, cluster_id_key, leader_key, longest_session_key
from odradek_broker.log.failures import LogFailed

if TYPE_CHECKING:
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Network
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

LEASE_SECONDS = 3
TERM_MS = 2_700
"""What the holder counts of its lease: its clock may be slower than etcd's, or its successor's, by a tenth."""
RENEW_SECONDS = 0.75
RENEW_AGAIN_SECONDS = 0.2
RENEWAL_TIMEOUT_SECONDS = 0.7
"""For each endpoint: a member that stands still is to leave time for another one."""
LOOK_SECONDS = 0.1
RETRY_SECONDS = 0.5
SAID_EVERY = 20
"""How many attempts in vain go by until it is said again."""
REFUSALS = 2
"""In a row, before the active one is taken to be dead."""


class CannotLead(Exception):
    """The key is ours, and we could not begin."""


class Term(Struct, frozen=True):
    """One time of being the active controller."""

    journal: EtcdJournal
    may_decide: Callable[[], bool]
    """Whether nobody else can have decided anything yet."""
    predecessor_ms: int
    """For how long from now on brokers may have leases that a predecessor has given them, beyond a session of ours."""


Lead: TypeAlias = Callable[[Term], Awaitable[None]]
"""Be the active controller until cancelled. Raises CannotLead, LogFailed, ProtocolError."""


class Leader(Struct, frozen=True):
    """What is written in the leader's key."""

    node_id: int
    host: str
    port: int
    incarnation_id: str = ""
    """Of the process."""


class Candidate:
    """One for a process."""

    def __init__(
        self,
        etcd: Etcd,
        prefix: str,
        me: Leader,
        session_ms: int,
        network: Network,
        clock: Clock,
        workers: Workers,
        lead: Lead,
    ) -> None:
        """`session_ms`: after which a controller of this process takes a silent broker to be gone."""
        self._etcd = etcd
        self._hurried = etcd.within(RENEWAL_TIMEOUT_SECONDS)
        self._prefix = prefix
        self._key = leader_key(prefix)
        self._me = me
        self._session_ms = session_ms
        self._network = network
        self._clock = clock
        self._workers = workers
        self._lead = lead
        self._lease_until_ms = -1
        self._put_out: dict[str, int] = {}
        """Those whom we took to be dead, by incarnation, and at which revision they had created the key then."""

    async def cluster_id(self, proposed: str) -> str:
        """The cluster's, which is the proposed one where there is none yet. Waits for etcd."""
        key = cluster_id_key(self._prefix)
        for attempt in itertools.count():
            try:
                await self._workers.run(partial(self._etcd.commit, [Created(key, 0)], [(key, proposed.encode())]))
                found = await self._workers.run(partial(self._etcd.get, key))
                if found is not None:
                    return found.value.decode()
            except EtcdUnavailable as error:
                if attempt % SAID_EVERY == 0:
                    logger.warning("waiting for etcd: %s", error)
            await trio.sleep(RETRY_SECONDS)
        raise AssertionError

    async def run(self) -> None:
        """Until cancelled; then the key is given back."""
        said = ""
        for attempt in itertools.count():
            try:
                await self._wait_until_vacant()
                await self._stand()
                said = ""
            except* (CannotLead, EtcdUnavailable, LogFailed, ProtocolError) as errors:
                why = str(_first(errors))
                if why != said or attempt % SAID_EVERY == 0:
                    logger.warning("controller %d: %s", self._me.node_id, why)
                said = why
                await trio.sleep(RETRY_SECONDS)

    # ------------------------------------------------------------------------------------------------------- waiting

    async def _wait_until_vacant(self) -> None:
        refused = 0
        while True:
            found = await self._workers.run(partial(self._etcd.get, self._key))
            if found is None:
                return
            leader = _leader(found)
            if (leader.host, leader.port) == (self._me.host, self._me.port):
                await self._make_vacant(found)  # ours, of an earlier life
                continue
            refused = refused + 1 if await self._is_refused(leader) else 0
            if refused >= REFUSALS and self._may_be_dead(leader, found):
                logger.warning("controller %d is gone: its port refuses connections", leader.node_id)
                self._put_out[leader.incarnation_id] = found.create_revision
                await self._make_vacant(found)
            else:
                await trio.sleep(LOOK_SECONDS)

    async def _is_refused(self, leader: Leader) -> bool:
        try:
            with trio.move_on_after(1):
                (await self._network.connect(leader.host, leader.port)).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

    def _may_be_dead(self, leader: Leader, found: KeyValue) -> bool:
        """Not if it has come back after we had put it out: it is only we who do not reach it, and it us, maybe."""
        return self._put_out.get(leader.incarnation_id, found.create_revision) == found.create_revision

    async def _make_vacant(self, found: KeyValue) -> None:
        if found.lease:
            await self._workers.run(partial(self._etcd.revoke, found.lease))
        else:  # not as we put it
            condition = Created(found.key, found.create_revision)
            await self._workers.run(partial(self._etcd.commit, [condition], deletes=[(found.key, None)]))

    # -------------------------------------------------------------------------------------------------- being active

    async def _stand(self) -> None:
        sent_ms = self._clock.monotonic_ms()
        lease = await self._workers.run(partial(self._etcd.grant, LEASE_SECONDS))
        try:
            put = (self._key, msgspec.json.encode(self._me))
            await self._workers.run(partial(self._etcd.commit, [Created(self._key, 0)], [put], lease=lease))
            found = await self._workers.run(partial(self._etcd.get, self._key))
            if found is not None and found.lease == lease:
                self._lease_until_ms = sent_ms + TERM_MS
                await self._be_active(lease, found.create_revision)
        finally:
            self._lease_until_ms = -1
            with trio.move_on_after(1) as patience:
                patience.shield = True
                await self._give_back(lease)

    async def _be_active(self, lease: int, revision: int) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._renew, lease, revision, nursery.cancel_scope)
            longest_ms = await self._workers.run(partial(self._note_session, revision))
            predecessor_ms = LEASE_SECONDS * 1000 + longest_ms - self._session_ms
            await self._lead(Term(EtcdJournal(self._etcd, self._prefix, revision), self._has_lease, predecessor_ms))

    def _has_lease(self) -> bool:
        return self._clock.monotonic_ms() < self._lease_until_ms

    async def _renew(self, lease: int, revision: int, scope: trio.CancelScope) -> None:
        pause_s = RENEW_SECONDS
        while self._has_lease():
            await trio.sleep(pause_s)
            sent_ms = self._clock.monotonic_ms()
            try:
                if not await self._workers.run(partial(self._keep, lease, revision)):
                    break
            except EtcdUnavailable as error:
                logger.warning("controller %d cannot renew its lease: %s", self._me.node_id, error)
                pause_s = RENEW_AGAIN_SECONDS
            else:
                self._lease_until_ms = sent_ms + TERM_MS
                pause_s = max(0.0, RENEW_SECONDS - (self._clock.monotonic_ms() - sent_ms) / 1000)
        logger.warning("controller %d is no longer active: its lease is over", self._me.node_id)
        self._lease_until_ms = -1
        scope.cancel()

    def _keep(self, lease: int, revision: int) -> bool:
        """Have the lease last, and see whether the key is ours. Raises EtcdUnavailable where the lease may not last.

        The second is what counts: whoever answers for leases need not have a majority, be the answer yes or no.
        """
        is_kept = self._hurried.keep_alive(lease)
        found = self._hurried.get(self._key)
        if found is None or found.create_revision != revision:
            return False
        if not is_kept:
            raise EtcdUnavailable("a member of etcd does not know our lease")
        return True

    def _note_session(self, revision: int) -> int:
        """The longest session of all who have been active. Ours is written down before any broker hears of us."""
        key = longest_session_key(self._prefix)
        found = self._etcd.get(key)
        try:
            longest_ms = 0 if found is None else int(found.value)
        except ValueError:
            raise _not_ours(key) from None
        if longest_ms < self._session_ms:
            longest_ms = self._session_ms
            self._etcd.commit([Created(self._key, revision)], [(key, str(longest_ms).encode())])
        return longest_ms

    async def _give_back(self, lease: int) -> None:
        try:
            await self._workers.run(partial(self._etcd.revoke, lease))
        except EtcdUnavailable:
            pass  # it runs out by itself


def _leader(found: KeyValue) -> Leader:
    """Raises ProtocolError."""
    try:
        return msgspec.json.decode(found.value, type=Leader)
    except msgspec.DecodeError:
        raise _not_ours(found.key) from None


def _not_ours(key: bytes) -> ProtocolError:
    return ProtocolError(
        f"{key.decode()} in etcd holds what no controller has written: remove that key, or give etcd.prefix another "
        "value"
    )


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
