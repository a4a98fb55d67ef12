"""What is wrong with a record of __transaction_state costs what that record says, and nobody else anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.transactions.records import transaction_record
from tests.server.served_broker import Served, serving
from tests.server.transacting import Transacting, transacting, until_stable

SETTINGS = {"transaction_state_log_num_partitions": "1"}
KEY = transaction_record("spoilt", None, 2).key
BAD = {
    "an unknown version": (KEY, b"\0\x09"),
    "a value that ends early": (KEY, b"\0\1\0\0"),
    "no value worth the name": (KEY, b""),
    "a key that ends early": (KEY[:-1], None),
    "a key without a kind": (b"\0", None),
    "no key": (None, b"value"),
}
OF_THE_FUTURE = (b"\0\x63key", b"value")


async def ids(served: Served) -> set[str]:
    peer = await served.connect()
    answer = await peer.ask(ListTransactionsRequest(), ListTransactionsResponse, 0)
    assert answer.error_code == ErrorCode.NONE
    return {each.transactional_id for each in answer.transaction_states}


@pytest.mark.parametrize("key_and_value", BAD.values(), ids=BAD)
async def test_a_bad_record_is_told_and_costs_no_other_transaction_anything(
    key_and_value: tuple[bytes | None, bytes | None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, **SETTINGS) as served:
        await (await served.connect()).make_topic()
        before, after = await begun(served, "before"), await begun(served, "after")
        bad = [Record(key=key, value=value, timestamp=1) for key, value in (key_and_value, OF_THE_FUTURE)]
        written = served.broker.partitions["__transaction_state", 0].append_internal(build_batch(bad))
        assert await after.send(b"b") == ErrorCode.NONE
    caplog.clear()
    async with serving(tmp_path, **SETTINGS) as served:
        assert await ids(served) == {"before", "after"}
        for producer in (before, after):
            producer.peer = await served.connect()
            assert await producer.end() == ErrorCode.NONE
        await until_stable(before.peer)
    [line] = [each for each in caplog.messages if "passed over" in each]
    assert f"offset {getattr(written, 'base_offset', None)}" in line, (
        "and of what is of the future nobody says anything"
    )


async def begun(served: Served, transactional_id: str) -> Transacting:
    producer = await transacting(served, transactional_id)
    assert await producer.init() == ErrorCode.NONE
    assert await producer.send(b"a") == ErrorCode.NONE
    return producer
