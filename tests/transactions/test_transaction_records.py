"""What is written to __transaction_state, and what is made of what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record as LogRecord
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.transactions.records import read_record, transaction_record
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import Transaction
from referee import run_java_tool, why_java_is_unavailable
from tests.transactions.transaction_scene import ID, T0, T1, TIMEOUT_MS, WALL_MS, Scene

FULL = Transaction(
    producer_id=7,
    producer_epoch=3,
    previous_producer_id=6,
    next_producer_id=8,
    timeout_ms=TIMEOUT_MS,
    state=TransactionState.PREPARE_COMMIT,
    partitions={T0: None, T1: None},
    start_ms=WALL_MS,
    update_ms=WALL_MS + 1,
    client_version=2,
)


def test_a_record_of_version_1_says_all_there_is() -> None:
    record = transaction_record(ID, FULL, 2)
    assert record.value is not None
    assert record.value[:2] == b"\0\1"
    assert read_record(record.key, record.value) == (ID, FULL)


def test_a_record_of_version_0_leaves_out_what_is_newer() -> None:
    record = transaction_record(ID, FULL, 0)
    assert record.value is not None
    assert record.value[:2] == b"\0\0"
    found = read_record(record.key, record.value)
    assert found is not None
    assert found.transaction is not None
    assert (found.transaction.client_version, found.transaction.next_producer_id) == (0, -1)
    assert found.transaction.partitions == FULL.partitions


def test_a_null_value_says_that_an_id_is_no_more() -> None:
    record = transaction_record(ID, None, 2)
    assert read_record(record.key, record.value) == (ID, None)


def test_a_key_of_the_future_is_nobodys_business() -> None:
    assert read_record(b"\0\5anything", b"") is None


@pytest.mark.parametrize("status", [6, 7, 8, -1])
def test_a_state_that_nobody_records_is_an_error(status: int) -> None:
    record = transaction_record(ID, FULL, 0)
    assert record.value is not None
    at = 2 + 8 + 2 + 4
    damaged = record.value[:at] + status.to_bytes(1, "big", signed=True) + record.value[at + 1 :]
    with pytest.raises(ProtocolError):
        read_record(record.key, damaged)


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\x09", b"\0\0short"])
def test_a_damaged_record_is_an_error_and_hurts_no_other(value: bytes) -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    with pytest.raises(ProtocolError):
        scene.core.replay(CoordinatorRecord(transaction_record("other", None, 2).key, value), 99, scene.now)
    assert scene.state is TransactionState.ONGOING
    assert set(scene.core.transactions) == {ID}


@pytest.mark.slow
@pytest.mark.java
def test_kafka_reads_every_state_and_the_end(tmp_path: Path) -> None:
    reason = why_java_is_unavailable()
    if reason is not None:
        pytest.skip(reason)
    log = [*one_of_each(0), *one_of_each(2), transaction_record(ID, None, 2)]
    records = [LogRecord(key=each.key, value=each.value, timestamp=WALL_MS) for each in log]
    segment = tmp_path / "__transaction_state-0" / f"{0:020}.log"
    segment.parent.mkdir()
    segment.write_bytes(b"".join(build_batch([each], base_offset=at) for at, each in enumerate(records)))
    said = run_java_tool("kafka-dump-log", "--transaction-log-decoder", "--files", str(segment)).stdout.decode()
    assert len(re.findall(f"transactionalId.{{1,3}}{ID}", said)) == len(log)
    committed, aborted = ["PrepareCommit", "CompleteCommit"], ["PrepareAbort", "CompleteAbort"]
    states = re.findall(r'"transactionStatus":"(\w+)"', said)
    assert states == ["Empty", "Ongoing", *committed, "Ongoing", *aborted] * 2


def one_of_each(version: int) -> list[CoordinatorRecord]:
    scene = Scene(version=version)
    producer = scene.init()
    scene.add(producer, T0, T1, version=version)
    producer = scene.end(producer, version=version)
    scene.add(producer, T1, version=version)
    scene.end(producer, commit=False, version=version)
    return scene.log
