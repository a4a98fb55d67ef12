"""Thousands of calls in any order: what must hold after each of them."""

from __future__ import annotations

from random import Random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.transactions.states import VALID_PREVIOUS, TransactionState
from odradek_broker.transactions.transaction import LAST_EPOCH, NOBODY, ProducerIdAndEpoch
from tests.transactions.transaction_scene import ID, Refusal, Scene

STEPS = 300
P = ProducerIdAndEpoch


class Walk:
    """Producers that come, go on, end, and are late; a log that refuses now and then; coordinators that change."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.version = self.random.choice((0, 2))
        self.scene = Scene(version=self.version)
        self.known: list[P] = [NOBODY]
        self.given_to_new: set[P] = set()
        self.states: list[TransactionState] = []
        self.verdicts: dict[P, set[bool]] = {}

    def run(self) -> None:
        for _ in range(STEPS):
            self.scene.refuses = self.random.random() < 0.1
            self.scene.commits = self.random.random() < 0.8
            try:
                self.step()
            except Refusal:
                pass
            self.check()

    def step(self) -> None:
        scene, random = self.scene, self.random
        producer = random.choice(self.known[-4:])
        what = random.random()
        if what < 0.15:
            self.initialize(random.choice((NOBODY, producer)))
        elif what < 0.4:
            scene.add(producer, TopicPartition("t", random.randrange(3)), version=self.version)
        elif what < 0.65:
            self.end(producer, commit=random.random() < 0.5)
        elif what < 0.85:
            self.write_a_marker()
        elif what < 0.92:
            scene.pass_time(random.choice((1, 1_000, 61_000)))
        elif what < 0.96:
            scene.carry_out(scene.core.verify(ID, producer, [TopicPartition("t", 0)]))
        elif what < 0.98 and ID in scene.core.transactions and scene.state.is_over:
            scene.refuses = False
            self.known.append(scene.exhaust(scene.transaction.producer))
        else:
            self.scene = scene.restarted()

    def initialize(self, expected: P) -> None:
        response = self.scene.try_init(expected)
        if response.error_code == ErrorCode.NONE:
            given = P(response.producer_id, response.producer_epoch)
            if expected == NOBODY:
                assert given not in self.given_to_new, "two new producers have the same epoch"
                assert given not in self.known, "a new producer has the epoch of another"
                self.given_to_new.add(given)
            self.known.append(given)

    def end(self, producer: P, *, commit: bool) -> None:
        response = self.scene.try_end(producer, commit=commit, version=self.version)
        if response.error_code == ErrorCode.NONE:
            if self.version == 2:
                self.verdicts.setdefault(producer, set()).add(commit)
                assert len(self.verdicts[producer]) == 1, "one transaction ended both ways"
            self.known.append(P(response.producer_id, response.producer_epoch))

    def write_a_marker(self) -> None:
        for owed in self.scene.owed()[:1]:
            some = list(owed.partitions)[: self.random.randrange(3)]
            self.scene.carry_out(self.scene.core.markers_written(ID, owed.producer, some, self.scene.now))

    def check(self) -> None:
        core = self.scene.core
        if ID not in core.transactions:
            return
        transaction = core.transactions[ID]
        if not self.states or self.states[-1] is not transaction.state:
            self.states.append(transaction.state)
        assert 0 <= transaction.producer_epoch <= LAST_EPOCH + 1
        assert all(producer.epoch <= LAST_EPOCH for producer in self.known)
        deadline_ms = core.next_deadline_ms
        if transaction.state is TransactionState.ONGOING:
            assert deadline_ms is not None
            assert deadline_ms <= self.scene.now_ms + transaction.timeout_ms
        if transaction.state.is_prepared:
            core.committed(len(self.scene.log))
            assert [owed.producer for owed in self.scene.owed()] == [transaction.producer]
        else:
            assert not self.scene.owed()


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_calls_keeps_what_must_hold(seed: int) -> None:
    walk = Walk(seed)
    walk.run()
    assert walk.states, "something has happened"


def test_together_the_walks_see_every_state_that_is_recorded() -> None:
    seen: set[TransactionState] = set()
    for seed in range(6):
        walk = Walk(seed)
        walk.run()
        seen.update(walk.states)
    never = {TransactionState.DEAD, TransactionState.PREPARE_EPOCH_FENCE}
    assert seen == set(VALID_PREVIOUS) - never
