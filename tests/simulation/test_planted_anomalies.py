"""The workload of `odradek chaos --workload transactions`, in virtual time: a planted bug is seen under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from msgspec.structs import replace
from world import World

from odradek import Admin
from odradek.batches import Batches
from odradek.protocol.messages.write_txn_markers import WritableTxnMarker
from odradek.testing.chaos.history import History, Outcome
from odradek.testing.chaos.transaction_checkers import check_transactions
from odradek.testing.chaos.transaction_work import COPY, CREDIT, DEBIT, TOPICS, TransactionWork
from odradek_broker.coordinators.transaction_markers import TransactionMarkers
from odradek_broker.log.log import Log

PARTITIONS = 2
SEEDS = range(1, 6)
"""Of which one shows what is planted: who reads what at which moment is chance."""
SETTINGS: dict[str, Any] = {"transaction_state_log_num_partitions": "1", "group_initial_rebalance_delay_ms": "0"}
Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.slow


def found(seed: int, lasts_s: float = 4.0) -> tuple[dict[str, list[str]], History]:
    history = History()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed, longest_hop_s=0.02, **SETTINGS)
            await world.start()
            async with Admin(world.bootstrap, surroundings=world.client()) as admin:
                for topic in TOPICS:
                    await admin.create_topic(topic, PARTITIONS, 3)
            work = TransactionWork(world.bootstrap, PARTITIONS, history, trio.current_time, seed, world.client)
            over = trio.Event()
            async with trio.open_nursery() as readers:
                for number in range(2):
                    readers.start_soon(work.copy, f"copier-{number}")
                readers.start_soon(work.watch, "reader")
                readers.start_soon(work.ask)
                async with trio.open_nursery() as writers:
                    for number in range(3):
                        writers.start_soon(work.transfer, f"teller-{number}", 10.0, over)
                    await trio.sleep(lasts_s)
                    over.set()
                with trio.move_on_after(20):
                    await work.finish([f"teller-{number}" for number in range(3)])
                await work.drain(20)
                readers.cancel_scope.cancel()
            nursery.cancel_scope.cancel()

    run_in_virtual_time(seed, run)
    return {each.name: each.examples for each in check_transactions(history, {DEBIT: COPY})}, history


def test_where_nothing_is_planted_nothing_is_found() -> None:
    outcomes: dict[str, set[Outcome]] = {}
    for seed in SEEDS:
        anomalies, history = found(seed)
        assert anomalies == {}
        for transfer in history.transfers:
            outcomes.setdefault(transfer.program.partition("-")[0], set()).add(transfer.outcome)
        assert any(transfer.reads for transfer in history.transfers if transfer.program.startswith("teller"))
        if all(outcomes[name] >= {Outcome.OK, Outcome.FAIL} for name in ("teller", "copier")):
            return
    raise AssertionError(f"not of every program one commits and one aborts: {outcomes}")


def stable_is_high_watermark(patch: Patch) -> None:
    patch.setattr(Log, "last_stable_offset", lambda self, high_watermark: high_watermark)


def a_batch_is_committed_before_it_is_worked_on(patch: Patch) -> None:
    next_batch = Batches.__anext__

    async def commit_at_once(self: Batches[Any, Any]) -> Any:
        batch = await next_batch(self)
        await self._consumer.commit()
        return batch

    patch.setattr(Batches, "__anext__", commit_at_once)


def markers_of_one_topic_abort(patch: Patch) -> None:
    write: Callable[..., Any] = TransactionMarkers.write

    def write_wrong(self: TransactionMarkers, topic: str, index: int, marker: WritableTxnMarker) -> Any:
        is_right = topic != CREDIT or not marker.transaction_result
        return write(self, topic, index, marker if is_right else replace(marker, transaction_result=False))

    patch.setattr(TransactionMarkers, "write", write_wrong)


def a_reader_is_not_set_back(patch: Patch) -> None:
    patch.setattr(Batches, "_set_back", lambda *_: None)


@pytest.mark.parametrize(
    ("plant", "names"),
    [
        (stable_is_high_watermark, ["aborted-read", "precommitted-read", "G1c"]),
        (a_batch_is_committed_before_it_is_worked_on, ["committed-too-far"]),
        (markers_of_one_topic_abort, ["torn-txn"]),
        (a_reader_is_not_set_back, ["abort-rewind", "lost-write"]),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_what_is_planted_is_found_under_its_name(
    plant: Callable[[Patch], None], names: Iterable[str], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(World, "look", lambda self: None)  # the invariants of the simulation would see it first
    plant(monkeypatch)
    seen: set[str] = set()
    for seed in SEEDS:
        seen |= set(found(seed)[0])
        if seen.issuperset(names):
            return
    raise AssertionError(f"seen are {sorted(seen)}, not all of {names}")
