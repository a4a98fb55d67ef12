"""The simulated network is as bad as a real one, and no worse: within a connection bytes are in order and once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from sim_network import LONGEST_S, SimNetwork, SimStream

PATIENCE_S = 1000.0


class Pair:
    """A connection from a to b."""

    def __init__(self, network: SimNetwork, a: SimStream, b: SimStream) -> None:
        self.network = network
        self.a = a
        self.b = b


def play(scenario: Callable[[Pair], Awaitable[None]], seed: int = 1, **nature: float) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            network = SimNetwork(nursery, Random(seed), **nature)  # type: ignore[arg-type]
            listener = await network.port("b").listen("b", 1)
            a = await network.port("a").connect("b", 1)
            with trio.fail_after(PATIENCE_S):
                await scenario(Pair(network, a, await listener.accept()))
            nursery.cancel_scope.cancel()

    run_in_virtual_time(seed, run)


async def receive(stream: SimStream, count: int | None = None) -> bytes:
    """To the end, or so many bytes."""
    found = bytearray()
    room = bytearray(1 << 16)
    while count is None or len(found) < count:
        got = await stream.receive_into(memoryview(room)[: None if count is None else count - len(found)])
        if got == 0:
            break
        found += room[:got]
    return bytes(found)


async def arrives_within(stream: SimStream, seconds: float) -> bool:
    with trio.move_on_after(seconds):
        await receive(stream, 1)
        return True
    return False


DATA = bytes(range(256)) * 40


@pytest.mark.parametrize("nature", [{}, {"longest_s": 0.3}, {"most_bytes": 1}, {"longest_s": 0.3, "most_bytes": 700}])
def test_bytes_arrive_in_order_and_once(nature: dict[str, Any]) -> None:
    async def scenario(pair: Pair) -> None:
        for start in range(0, len(DATA), 1000):
            await pair.a.send([DATA[start : start + 1000]])
        pair.a.close()
        assert await receive(pair.b) == DATA

    play(scenario, **nature)


def test_they_arrive_in_pieces_of_any_size_up_to_the_largest() -> None:
    async def scenario(pair: Pair) -> None:
        await pair.a.send([DATA])
        room, sizes = bytearray(1 << 16), set[int]()
        for _ in range(200):
            sizes.add(await pair.b.receive_into(memoryview(room)))
        assert min(sizes) < 5 and 30 < max(sizes) <= 50

    play(scenario, most_bytes=50)


def test_each_two_hosts_have_a_distance_of_their_own() -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            network = SimNetwork(nursery, Random(1), longest_s=0.3)
            longest = [max(network.latency_s("a", f"{other}") for _ in range(200)) for other in range(20)]
            assert max(longest) > 0.15 and min(longest) < 0.02 and max(longest) <= 0.3
            assert all(network.latency_s("0", "a") <= one * 1.2 for one in longest[:1]), "the same in both directions"
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)


def test_a_cut_holds_bytes_back_until_it_is_healed() -> None:
    async def scenario(pair: Pair) -> None:
        pair.network.cut("a", "b")
        await pair.a.send([b"x"])
        await pair.b.send([b"y"])
        assert not await arrives_within(pair.b, 10) and not await arrives_within(pair.a, 10)
        pair.network.heal()
        assert await arrives_within(pair.b, LONGEST_S) and await arrives_within(pair.a, LONGEST_S)

    play(scenario)


def test_a_one_way_cut_lets_the_other_direction_through() -> None:
    async def scenario(pair: Pair) -> None:
        pair.network.cut("a", "b", one_way=True)
        await pair.a.send([b"x"])
        await pair.b.send([b"y"])
        assert await arrives_within(pair.a, LONGEST_S)
        assert not await arrives_within(pair.b, 10)
        for here, there in (("a", "b"), ("b", "a")):
            with trio.move_on_after(10) as scope:
                await pair.network.port(here).connect(there, 1)
            assert scope.cancelled_caught, "to connect takes both directions"
        pair.network.mend("b", "a")
        assert await arrives_within(pair.b, LONGEST_S)

    play(scenario)


def test_what_is_behind_a_cut_stays_in_order_with_what_is_sent_later() -> None:
    async def scenario(pair: Pair) -> None:
        for number in range(0, len(DATA), 100):
            if number % 1000 == 0:
                pair.network.cut("a", "b")
            if number % 1000 == 500:
                pair.network.heal()
            await pair.a.send([DATA[number : number + 100]])
            await trio.sleep(0.001)
        pair.network.heal()
        pair.a.close()
        assert await receive(pair.b) == DATA

    play(scenario)


def test_a_refusal_meets_new_connections_of_one_direction_only() -> None:
    async def scenario(pair: Pair) -> None:
        pair.network.refuse("a", "b")
        with pytest.raises(ConnectionRefusedError):
            await pair.network.port("a").connect("b", 1)
        await pair.network.port("c").connect("b", 1)
        await pair.a.send([b"x"])
        assert await arrives_within(pair.b, LONGEST_S), "what is there goes on"
        await pair.network.port("a").listen("a", 1)
        await pair.network.port("b").connect("a", 1)
        pair.network.mend("a", "b")
        await pair.network.port("a").connect("b", 1)

    play(scenario)


def test_a_refusal_may_reset_what_is_there() -> None:
    async def scenario(pair: Pair) -> None:
        pair.network.refuse("a", "b", reset=True)
        for end in (pair.a, pair.b):
            with pytest.raises(ConnectionResetError):
                await receive(end, 1)

    play(scenario)


def test_a_reset_loses_what_is_under_way_and_may_come_in_the_midst_of_it() -> None:
    found = set[int]()

    async def scenario(pair: Pair) -> None:
        await pair.a.send([DATA])
        await trio.sleep(0.0015)
        pair.network.reset("b", "a")
        room = bytearray(1 << 16)
        got = 0
        with pytest.raises(ConnectionResetError):
            while True:
                got += await pair.b.receive_into(memoryview(room))
        found.add(got)
        with pytest.raises(ConnectionResetError):
            await pair.a.send([b"more"])

    for seed in range(30):
        play(scenario, seed, most_bytes=8000)
    assert {0, len(DATA)} < found, "nothing, all, and something between"


def test_what_was_sent_arrives_when_its_sender_has_given_the_connection_up() -> None:
    """And has asked again elsewhere meanwhile."""

    async def scenario(pair: Pair) -> None:
        pair.network.slow("a", "b", 50.0)
        await pair.a.send([b"request"])
        pair.network.give_up("a", "b")
        with pytest.raises(ConnectionResetError):
            await receive(pair.a, 1)
        pair.a.close()
        assert await receive(pair.b) == b"request"
        assert trio.current_time() > 1.0
        with pytest.raises(ConnectionResetError):
            await pair.b.send([b"answer"])

    play(scenario)


def test_half_a_connection_stays_until_it_is_sent_into() -> None:
    async def scenario(pair: Pair) -> None:
        pair.network.give_up("a", "b", silently=True)
        with pytest.raises(ConnectionResetError):
            await receive(pair.a, 1)
        pair.a.close()
        assert not await arrives_within(pair.b, 100), "b does not know"
        await pair.b.send([b"anybody there?"])
        with pytest.raises(ConnectionResetError):
            await receive(pair.b, 1)

    play(scenario)


def test_a_process_that_dies_closes_behind_what_it_has_sent() -> None:
    async def scenario(pair: Pair) -> None:
        await pair.a.send([DATA])
        pair.network.process_dies("a")
        assert await receive(pair.b) == DATA
        with pytest.raises(ConnectionResetError):
            await pair.b.send([b"x"])

    play(scenario)


def test_a_machine_that_dies_says_nothing_until_it_is_back() -> None:
    async def scenario(pair: Pair) -> None:
        pair.network.machine_dies("b")
        await pair.a.send([b"x"])
        assert not await arrives_within(pair.a, 100)
        with trio.move_on_after(10) as scope:
            await pair.network.port("c").connect("b", 1)
        assert scope.cancelled_caught
        pair.network.machine_is_back("b")
        with pytest.raises(ConnectionResetError):
            await receive(pair.a, 1)
        with pytest.raises(ConnectionRefusedError):
            await pair.network.port("c").connect("b", 1)

    play(scenario)


def test_requests_of_two_connections_overtake_each_other_on_a_slow_link() -> None:
    firsts = set[bytes]()

    async def scenario(pair: Pair) -> None:
        pair.network.slow("a", "b", 1.0)
        listener = await pair.network.port("b").listen("b", 2)
        second = await pair.network.port("a").connect("b", 2)
        other = await listener.accept()
        await pair.a.send([b"1"])
        await second.send([b"2"])
        arrived: list[bytes] = []

        async def take(stream: SimStream) -> None:
            arrived.append(await receive(stream, 1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, pair.b)
            nursery.start_soon(take, other)
        firsts.add(arrived[0])

    for seed in range(10):
        play(scenario, seed)
    assert firsts == {b"1", b"2"}
