"""A look-up by time takes its turns, and whatever it walks over may change between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek.protocol.records.batch import BatchHeader, read_header
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.apis import api_02_list_offsets
from odradek_broker.log.failures import DamagedLog

LONG = 5_000
"""Records, so many that a worker looks into them."""


@pytest.mark.parametrize("value_in", ["the first batch", "what is cut"])
async def test_a_look_up_by_time_takes_a_new_leaders_cut_for_no_damage(value_in: str) -> None:
    """Nor does it answer, as a leader that it is no more, what it has found."""
    batch = bytes(build_batch([Record(timestamp=number, value=b"") for number in range(LONG)]))

    def young_batches(*_: object) -> Iterator[tuple[bytes, BatchHeader]]:
        yield batch, read_header(batch)
        raise DamagedLog("t-0", 0, LONG, "the file ends there")

    async def look(job: Callable[[], Any]) -> Any:
        partition.leadership = None
        return job() if value_in == "the first batch" else None

    met: list[object] = []
    log = SimpleNamespace(log_start_offset=0, young_batches=young_batches)
    partition = SimpleNamespace(
        log=log, leadership=object(), leader_epoch=0, knows_its_end=True, high_watermark=2 * LONG
    )
    context: Any = SimpleNamespace(
        version=7,
        broker=SimpleNamespace(
            replicas=SimpleNamespace(partition=lambda *_: partition),
            looks=SimpleNamespace(look=look),
            replica_logs=SimpleNamespace(met=lambda *damage: met.append(damage)),
        ),
    )
    request = ListOffsetsRequest(topics=[ListOffsetsTopic("t", [ListOffsetsPartition(0, timestamp=LONG - 1)])])
    answer = await api_02_list_offsets.handle(request, context)
    assert answer.topics[0].partitions[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert not met
