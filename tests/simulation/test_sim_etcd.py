"""The simulated etcd against the real one: whatever is asked of both, both answer the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import trio
from deterministic_trio import run_in_virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st
from in_turns import Errand, wait_for
from sim_etcd import SimEtcd, SimGateway, Store
from sim_network import SimNetwork

from odradek.testing.etcd_node import EtcdNode
from odradek.testing.ports import free_ports
from odradek_broker.election.etcd import Created, Etcd, EtcdFull, EtcdUnavailable, Unchanged
from odradek_broker.election.gateway import HttpGateway

KEYS = [b"a", b"a/1", b"a/2", b"b", b"b/\xff"]
keys = st.sampled_from(KEYS)
ends = st.sampled_from([None, b"a0", b"b0", b"\xff"])
conditions = st.tuples(st.sampled_from([Created, Unchanged]), keys, st.sampled_from(["none", "as it is", "another"]))
puts = st.tuples(keys, st.binary(max_size=3))
commits = st.tuples(
    st.just("commit"),
    st.lists(conditions, max_size=2),
    st.lists(puts, max_size=2),
    st.lists(st.tuples(keys, ends), max_size=2),
    st.integers(0, 3),
)
operations = st.one_of(
    commits,
    commits,
    st.tuples(st.just("range"), keys, ends),
    st.tuples(st.just("grant")),
    st.tuples(st.sampled_from(["revoke", "keep_alive"]), st.integers(0, 3)),
    st.tuples(st.just("full"), st.booleans()),
)


class InMemory:
    """A gateway to a store, with nothing in between."""

    def __init__(self) -> None:
        self.store = Store(Random(1))

    def post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        status, body = self.store.answer(url.partition("/v3/")[2], msgspec.json.decode(content), 0.0)
        return status, msgspec.json.encode(body)

    def close(self) -> None:
        pass


class Side:
    """One of the two, with what only it knows: the ids of its leases, and how far its revisions are."""

    def __init__(self, etcd: Etcd, set_full: Callable[[bool], object]) -> None:
        self.etcd = etcd
        self.set_full = set_full
        self.leases: list[int] = []
        self.base = 0

    def begin(self) -> None:
        self.set_full(False)
        for lease in self.leases:
            self.etcd.revoke(lease)
        self.leases = []
        self.etcd.commit([], [(b"0", b"")], [(b"a", b"b\xff\xff")])
        base = self.etcd.get(b"0")
        assert base is not None
        self.base = base.mod_revision

    def do(self, operation: tuple[Any, ...]) -> Any:
        try:
            return self._do(*operation)
        except EtcdFull:
            return "full"
        except EtcdUnavailable:
            return "refused"

    def _do(self, kind: str, *given: Any) -> Any:
        if kind == "commit":
            conditions, puts, deletes, lease = given
            asked = [each(key, self._revision(each, key, which)) for each, key, which in conditions]
            return self.etcd.commit(asked, puts, deletes, self._lease(lease))
        if kind == "range":
            return [
                (each.key, each.value, each.create_revision - self.base, each.mod_revision - self.base, each.lease > 0)
                for each in self.etcd.range(*given)
            ]
        if kind == "grant":
            self.leases.append(self.etcd.grant(60))
            return None
        if kind == "full":
            return self.set_full(given[0]) and None
        return getattr(self.etcd, kind)(self._lease(given[0]) or 7)

    def _lease(self, number: int) -> int:
        """None, those that there are or were, and one that never was."""
        return 0 if number == 0 else 7 if number > len(self.leases) else self.leases[number - 1]

    def _revision(self, condition: type[Created | Unchanged], key: bytes, which: str) -> int:
        found = self.etcd.get(key)
        if which == "none" or found is None:
            return 0
        revision = found.create_revision if condition is Created else found.mod_revision
        return revision if which == "as it is" else revision - 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
async def test_whatever_is_asked_the_simulated_etcd_answers_as_the_real_one(tmp_path: Path) -> None:
    port, peer_port = free_ports(2)
    node, gateway, memory = EtcdNode(tmp_path, port, peer_port), HttpGateway(), InMemory()
    await node.start()
    sides = (
        Side(Etcd([node.endpoint], gateway), lambda full: trio.from_thread.run(node.set_full, full)),
        Side(Etcd(["http://memory"], memory), lambda full: setattr(memory.store, "is_full", full)),
    )

    @settings(max_examples=100, deadline=None)
    @given(asked=st.lists(operations, max_size=12))
    def compare(asked: list[tuple[Any, ...]]) -> None:
        for side in sides:
            side.begin()
        for operation in [*asked, ("range", b"\0", b"\xff\xff")]:
            real, simulated = (side.do(operation) for side in sides)
            assert real == simulated, operation

    try:
        await trio.to_thread.run_sync(compare)
    finally:
        gateway.close()
        node.kill()


def play(scenario: Callable[[SimEtcd, Callable[[Callable[[Etcd], Any]], Any]], Any], members: int = 3) -> None:
    """`scenario` gets the cluster, and a way to ask it: an async function that takes what to do with an Etcd."""

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            network = SimNetwork(nursery, Random(1))
            simulated = SimEtcd(nursery, network, Random(1), members)
            await simulated.start()
            etcd = Etcd(simulated.endpoints, SimGateway(network.port("client")))

            async def ask(what: Callable[[Etcd], Any]) -> Any:
                return await Errand(lambda: what(etcd)).run()

            await scenario(simulated, ask)
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)


def test_a_lease_that_nobody_renews_takes_its_keys_with_it_and_one_that_is_kept_does_not() -> None:
    async def scenario(_etcd: SimEtcd, ask: Any) -> None:
        kept, left = [await ask(lambda etcd: etcd.grant(3)) for _ in range(2)]
        await ask(lambda etcd: etcd.commit([], [(b"kept", b"")], lease=kept))
        await ask(lambda etcd: etcd.commit([], [(b"left", b"")], lease=left))
        for _ in range(4):
            await trio.sleep(1)
            assert await ask(lambda etcd: etcd.keep_alive(kept))
        assert await ask(lambda etcd: etcd.get(b"kept"))
        assert not await ask(lambda etcd: etcd.get(b"left"))
        assert not await ask(lambda etcd: etcd.keep_alive(left))

    play(scenario)


def test_a_new_leader_of_etcd_gives_every_lease_its_whole_time_again() -> None:
    async def scenario(simulated: SimEtcd, ask: Any) -> None:
        lease = await ask(lambda etcd: etcd.grant(3))
        await ask(lambda etcd: etcd.commit([], [(b"k", b"")], lease=lease))
        await trio.sleep(2)
        former = simulated.leader
        assert former is not None
        former.kill()
        while simulated.leader is former:  # noqa: ASYNC110 (virtual time; nobody tells)
            await trio.sleep(0.01)
        await trio.sleep(2.5)
        assert await ask(lambda etcd: etcd.get(b"k"))
        await trio.sleep(1)
        assert not await ask(lambda etcd: etcd.get(b"k"))

    play(scenario)


def test_a_minority_answers_nothing_but_the_rest_does() -> None:
    async def scenario(simulated: SimEtcd, ask: Any) -> None:
        await ask(lambda etcd: etcd.commit([], [(b"k", b"before")]))
        one, *others = [member.name for member in simulated.members]
        for other in others:
            simulated.network.cut(one, other)
        assert await ask(lambda etcd: etcd.commit([], [(b"k", b"after")]))
        for other in others:
            simulated.network.cut("client", other)
        with pytest.raises(EtcdUnavailable):
            await ask(lambda etcd: etcd.get(b"k"))
        simulated.network.heal()
        assert (await ask(lambda etcd: etcd.get(b"k"))).value == b"after"

    play(scenario)


def test_what_a_member_that_stands_still_has_received_is_carried_out_when_it_goes_on() -> None:
    """Whoever has asked was told that nobody knows, has long asked another, and has gone on."""

    async def scenario(simulated: SimEtcd, ask: Any) -> None:
        paused = simulated.members[1]
        first = Etcd([f"http://{paused.name}:2379"], SimGateway(simulated.network.port("other")), 0.5)
        paused.pause()
        with pytest.raises(EtcdUnavailable):
            await Errand(lambda: first.commit([], [(b"k", b"late")])).run()
        await ask(lambda etcd: etcd.commit([], [(b"k", b"early")]))
        assert (await ask(lambda etcd: etcd.get(b"k"))).value == b"early"
        paused.resume()
        await trio.sleep(1)
        assert (await ask(lambda etcd: etcd.get(b"k"))).value == b"late"

    play(scenario)


def test_jobs_that_wait_take_turns_with_the_world_and_their_errors_come_back() -> None:
    async def run() -> list[object]:
        seen: list[object] = []

        async def nap(number: int) -> int:
            await trio.sleep(number)
            return number

        def job(number: int) -> None:
            for each in range(2):
                seen.append((number, each, wait_for(lambda: nap(number)), trio.current_time()))
            if number == 2:
                raise ValueError

        async def errand(number: int) -> None:
            try:
                await Errand(lambda: job(number)).run()
            except ValueError:
                seen.append("an error")

        async with trio.open_nursery() as nursery:
            for number in (2, 3):
                nursery.start_soon(errand, number)
        return seen

    assert run_in_virtual_time(1, run) == [(2, 0, 2, 2), (3, 0, 3, 3), (2, 1, 2, 4), "an error", (3, 1, 3, 6)]
