"""Odradek's client beside aiokafka, a `send` and a turn of `async for` for each record, on the same broker.

    python -m benchmarks.run own_client

Broker and client share the machine. The broker is Odradek with the page-cache policy, then Apache Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.client_processes import fresh_topic, run_client
from benchmarks.contenders import FSYNC, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from referee import BrokerProcess

RECORDS = 300_000
VALUE_BYTES = 1_000
THEIRS, OURS = "aiokafka", "odradek"


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    for contender in contenders:
        if contender.name == FSYNC:
            continue
        against = f"1 KB, against {contender.name}"
        into = Measurement(f"client in, {against}", "records/s", True, THEIRS, goals={OURS: 2.0})
        out = Measurement(f"client out, {against}", "records/s", True, THEIRS, goals={OURS: 1.2})
        for _ in range(scale.rounds):
            for client in (THEIRS, OURS):
                written, read = _one_round(contender.broker, client, scale.records(RECORDS))
                into.add(client, written)
                out.add(client, read)
        yield into
        yield out


def _one_round(broker: BrokerProcess, client: str, records: int) -> tuple[float, float]:
    with fresh_topic(broker) as topic:
        what = {"bootstrap": broker.bootstrap, "topic": topic, "records": records, "value_bytes": VALUE_BYTES}
        written = run_client(client, "produce", **what)
        read = run_client(client, "consume", **what)
    return written["records_per_s"], read["records_per_s"]
