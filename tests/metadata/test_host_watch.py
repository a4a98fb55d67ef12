"""Which brokers are taken to be gone with their hosts, and fenced before their session is over."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import trio

from odradek_broker.config import BrokerConfig
from odradek_broker.controller.heartbeats import Heartbeats
from odradek_broker.controller.image import BrokerImage, Endpoint, MetadataImage
from odradek_broker.metadata.host_watch import LEAST_PAUSE_MS, HostWatch

SESSION_MS, SPAN_MS = 9_000, 1_000
BEAT_MS = 300
US, ONE, OTHER = 100, 1, 2


class TrioClock:
    """Reads what the loop sleeps by."""

    @staticmethod
    def now_ms() -> int:
        return int(trio.current_time() * 1000)

    monotonic_ms = now_ms


class Hosts:
    """What a connection to a host meets, by its name: an error, silence (None), or that it lives."""

    def __init__(self) -> None:
        self.found: dict[str, OSError | bool | None] = {"one": True, "other": True}
        self.touched = 0

    async def touch(self, host: str, port: int) -> None:
        self.touched += 1
        await trio.lowlevel.checkpoint()
        found = self.found[host]
        if found is None:
            await trio.sleep_forever()
        if isinstance(found, OSError):
            raise found


class Cluster:
    """Two brokers and us, who watch them; by the time of `play` both have been heard of for longer than a session."""

    def __init__(self) -> None:
        self.hosts = Hosts()
        self.heartbeats = Heartbeats(SESSION_MS, SPAN_MS)
        self.beating = {ONE, OTHER}
        self.fenced: list[tuple[int, int]] = []
        """Whom, and how many milliseconds after it was last heard of."""
        self.heard_ms: dict[int, int] = {}
        endpoints = {ONE: Endpoint("PLAINTEXT", "one", 9092), OTHER: Endpoint("PLAINTEXT", "other", 9092)}
        self.image = MetadataImage(
            brokers={each: BrokerImage(broker_id=each, epoch=0, endpoints=(endpoints[each],)) for each in endpoints}
        )

    async def play(self, what_happens: Any) -> None:
        async with trio.open_nursery() as nursery:
            for broker_id in (ONE, OTHER):
                nursery.start_soon(self._beat, broker_id)
            config = BrokerConfig(node_id=US)
            network: Any = self.hosts
            watch = HostWatch(self.heartbeats, config, TrioClock(), network, lambda: self.image, self._fence)
            nursery.start_soon(watch.run)
            await trio.sleep(2 * SESSION_MS / 1000)
            await what_happens()
            nursery.cancel_scope.cancel()

    async def _beat(self, broker_id: int) -> None:
        while True:
            if broker_id in self.beating:
                self.heard_ms[broker_id] = TrioClock.now_ms()
                self.heartbeats.heard(broker_id, 0, TrioClock.now_ms())
            await trio.sleep(BEAT_MS / 1000)

    async def _fence(self, broker: BrokerImage) -> None:
        await trio.lowlevel.checkpoint()
        now_ms = TrioClock.now_ms()
        if self.heartbeats.is_over(broker.broker_id, broker.epoch, now_ms):
            self.fenced.append((broker.broker_id, now_ms - self.heard_ms[broker.broker_id]))
            self.heartbeats.forget(broker.broker_id, broker.epoch)


async def fenced_when_one_falls_silent(
    found: OSError | bool | None, *, others_too: bool = False
) -> list[tuple[int, int]]:
    """What becomes of it in half a session."""
    cluster = Cluster()

    async def silence() -> None:
        cluster.hosts.found["one"] = found
        cluster.beating -= {ONE, OTHER} if others_too else {ONE}
        await trio.sleep(SESSION_MS / 2000)

    await cluster.play(silence)
    assert cluster.hosts.touched > 1, "it was probed"
    return cluster.fenced


@pytest.mark.parametrize(
    "found",
    [None, OSError(errno.EHOSTUNREACH, "no route to host"), ConnectionRefusedError(errno.ECONNREFUSED, "refused")],
)
async def test_a_broker_whose_host_is_gone_is_fenced_when_its_span_is_over(
    autojump_clock: Any, found: OSError | None
) -> None:
    [(broker_id, after_ms)] = await fenced_when_one_falls_silent(found)
    assert broker_id == ONE
    assert SPAN_MS <= after_ms <= SPAN_MS + 2 * LEAST_PAUSE_MS


async def test_a_broker_that_hangs_on_a_host_that_lives_is_left_to_its_session(autojump_clock: Any) -> None:
    assert await fenced_when_one_falls_silent(True) == []


@pytest.mark.parametrize("ours", [OSError(errno.EMFILE, "too many files"), OSError(errno.ENETUNREACH, "no route")])
async def test_what_prevents_a_probe_here_is_no_sign_of_anything(autojump_clock: Any, ours: OSError) -> None:
    assert await fenced_when_one_falls_silent(ours) == []


async def test_nobody_is_fenced_while_nobody_at_all_is_heard_of(autojump_clock: Any) -> None:
    assert await fenced_when_one_falls_silent(None, others_too=True) == []


async def test_a_broker_that_is_heard_of_is_not_probed(autojump_clock: Any) -> None:
    cluster = Cluster()

    async def nothing() -> None:
        await trio.sleep(SESSION_MS / 1000)

    await cluster.play(nothing)
    assert (cluster.hosts.touched, cluster.fenced) == (0, [])


async def test_a_host_that_dies_while_its_broker_hangs_is_seen_too(autojump_clock: Any) -> None:
    cluster = Cluster()

    async def first_the_broker_then_the_host() -> None:
        cluster.beating.discard(ONE)
        await trio.sleep(2 * SPAN_MS / 1000)
        assert cluster.fenced == []
        cluster.hosts.found["one"] = None
        await trio.sleep(SPAN_MS / 1000)

    await cluster.play(first_the_broker_then_the_host)
    assert [broker_id for broker_id, _ in cluster.fenced] == [ONE]


async def test_a_broker_that_others_fence_in_the_midst_of_a_probe_is_watched_in_its_next_life(
    autojump_clock: Any,
) -> None:
    cluster = Cluster()

    async def it_hangs_dies_and_comes_back_and_then_its_host_goes() -> None:
        cluster.beating.discard(ONE)
        await trio.sleep(2 * SPAN_MS / 1000)
        cluster.hosts.found["one"] = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        await trio.sleep(0.1)
        cluster.heartbeats.forget(ONE, 0)  # it has been fenced, for its connection has ended
        await trio.sleep(SPAN_MS / 1000)
        cluster.hosts.found["one"] = True
        cluster.beating.add(ONE)
        await trio.sleep(SESSION_MS / 1000)
        cluster.hosts.found["one"] = None
        cluster.beating.discard(ONE)
        await trio.sleep(SESSION_MS / 2000)

    await cluster.play(it_hangs_dies_and_comes_back_and_then_its_host_goes)
    assert [broker_id for broker_id, _ in cluster.fenced] == [ONE]


async def test_a_process_that_has_stood_still_fences_nobody_for_that_time() -> None:
    """By a clock that has jumped meanwhile; what was sent is still to be read."""
    heartbeats = Heartbeats(SESSION_MS, SPAN_MS)
    heartbeats.heard(ONE, 0, 0)
    heartbeats.heard(ONE, 0, SESSION_MS)
    over_ms = SESSION_MS + SPAN_MS
    assert not heartbeats.is_over(ONE, 0, over_ms - 1) and heartbeats.is_over(ONE, 0, over_ms)
    heartbeats.stood_still(over_ms)
    assert not heartbeats.is_over(ONE, 0, over_ms + SPAN_MS - 1) and heartbeats.is_over(ONE, 0, over_ms + SPAN_MS)
    assert not heartbeats.is_silent(ONE, 0, over_ms), "its session is another matter"
