"""A candidate that finds in etcd what no controller has written: it waits, and says so; its broker goes on."""

from __future__ import annotations

import pytest
import trio
import zstandard

from odradek.protocol.primitives import ProtocolError
from odradek_broker.election.candidate import Candidate, Leader, Term
from odradek_broker.election.etcd import KeyValue
from odradek_broker.election.etcd_journal import EtcdJournal, leader_key
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.ports.workers import ThreadWorkers


class Holding:
    """An etcd that has these keys."""

    def __init__(self, **values: bytes) -> None:
        self.values = {f"o/{name}".encode(): value for name, value in values.items()}

    def within(self, timeout_s: float) -> Holding:
        return self

    def get(self, key: bytes) -> KeyValue | None:
        found = self.values.get(key)
        return None if found is None else KeyValue(key, found, 1, 1)

    def range(self, first: bytes, end: bytes) -> list[KeyValue]:
        return [KeyValue(key, value, 1, 1) for key, value in sorted(self.values.items()) if first <= key < end]


async def test_a_candidate_waits_while_the_leaders_key_is_somebody_elses(caplog: pytest.LogCaptureFixture) -> None:
    etcd, led = Holding(leader=b"not a leader"), trio.Event()

    async def lead(_: Term) -> None:
        led.set()

    workers = ThreadWorkers(1)
    candidate = Candidate(etcd, "o", Leader(1, "h", 1), 9000, TcpNetwork(), SystemClock(), workers, lead)  # type: ignore[arg-type]
    with trio.move_on_after(0.3):
        await candidate.run()
    workers.close()
    assert not led.is_set()
    assert [record.message for record in caplog.records] == [
        f"controller 1: {leader_key('o').decode()} in etcd holds what no controller has written: remove that key, or "
        "give etcd.prefix another value"
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"snapshot": b"not one"},
        {"log/00000000000000000000": b"not compressed"},
        {"log/00000000000000000000": zstandard.compress(b"x")},
    ],
)
def test_metadata_that_no_controller_has_written_is_refused(values: dict[str, bytes]) -> None:
    with pytest.raises(ProtocolError, match="in etcd"):
        list(EtcdJournal(Holding(**values), "o", 1).replay())  # type: ignore[arg-type]
