"""How many records lie between two offsets: what is refused, and that a cut is no damage."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.count_records import (
    CountRecordsPartition,
    CountRecordsPartitionResponse,
    CountRecordsRequest,
    CountRecordsTopic,
)
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import api_20004_count_records as api
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.remaining import Look, Remaining
from odradek_broker.partitions import counting

FOUND = Remaining(3, 100, 5)


class Fake:
    """One partition whose count goes as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, committed_end: int = 8, **partition: Any) -> None:
        self.asked: list[tuple[int, int, bool]] = []
        self.met: list[object] = []
        self.steps: list[Look | None] = []
        self.failure: Exception | None = None
        known = {
            "log": SimpleNamespace(log_start_offset=2),
            "leadership": object(),
            "leader_epoch": 4,
            "knows_its_end": True,
            "high_watermark": 10,
            "last_stable_offset": committed_end,
        }
        self.partition = SimpleNamespace(**(known | partition))
        monkeypatch.setattr(counting, "remaining", self.remaining)

    def remaining(self, log: object, begin: int, end: int, *, committed: bool, stable_offset: int) -> Any:
        self.asked.append((begin, end, committed))
        yield from (step for step in self.steps)  # a generator takes what is sent
        if self.failure is not None:
            raise self.failure
        return FOUND

    async def ask(self, *partitions: CountRecordsPartition, isolation: int = 0) -> list[CountRecordsPartitionResponse]:
        broker = SimpleNamespace(
            replicas=SimpleNamespace(
                partition=lambda topic, index: self.partition if index == 0 else ErrorCode.NOT_LEADER_OR_FOLLOWER
            ),
            replica_logs=SimpleNamespace(met=lambda partition, damage: self.met.append(damage)),
            looks=SimpleNamespace(look=self.look),
            clock=SimpleNamespace(now_ms=lambda: 77),
        )
        context: Any = SimpleNamespace(version=0, broker=broker)
        request = CountRecordsRequest(isolation, [CountRecordsTopic("t", partitions)])
        answer = await api.handle(request, context)
        assert answer.now_ms == 77
        return list(answer.topics[0].partitions)

    async def look(self, job: Any) -> Any:
        return job()


@pytest.mark.parametrize(("isolation", "end", "counted"), [(0, -1, 10), (0, 7, 7), (0, 99, 10), (1, -1, 8), (1, 9, 8)])
async def test_a_count_ends_where_the_reader_may_read(
    monkeypatch: pytest.MonkeyPatch, isolation: int, end: int, counted: int
) -> None:
    fake = Fake(monkeypatch)
    (answer,) = await fake.ask(CountRecordsPartition(0, begin_offset=3, end_offset=end), isolation=isolation)
    assert fake.asked == [(3, counted, bool(isolation))]
    assert answer == CountRecordsPartitionResponse(0, 0, 2, 8 if isolation else 10, *FOUND)


async def test_each_partition_has_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch)
    one = CountRecordsPartition
    answers = await fake.ask(one(0), one(1), one(2), one(2))
    assert [each.error_code for each in answers] == [
        ErrorCode.NONE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_REQUEST,
    ]
    for epoch, error in ((3, ErrorCode.FENCED_LEADER_EPOCH), (5, ErrorCode.UNKNOWN_LEADER_EPOCH), (4, ErrorCode.NONE)):
        assert (await fake.ask(one(0, current_leader_epoch=epoch)))[0].error_code == error
    unsure = Fake(monkeypatch, knows_its_end=False)
    assert (await unsure.ask(one(0)))[0].error_code == ErrorCode.OFFSET_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("failure", "error", "is_met"),
    [
        (DamagedLog("t-0", 0, 5, "torn"), ErrorCode.CORRUPT_MESSAGE, True),
        (OSError("no such file"), ErrorCode.KAFKA_STORAGE_ERROR, False),
        (ProtocolError("a producer's lie"), ErrorCode.CORRUPT_MESSAGE, False),
    ],
)
async def test_what_cannot_be_read_is_said(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, error: ErrorCode, is_met: bool
) -> None:
    fake = Fake(monkeypatch)
    fake.failure = failure
    assert [each.error_code for each in await fake.ask(CountRecordsPartition(0))] == [error]
    assert bool(fake.met) == is_met


@pytest.mark.parametrize("is_short", [True, False])
async def test_a_new_leaders_cut_is_no_damage_nor_is_what_was_counted_told(
    monkeypatch: pytest.MonkeyPatch, is_short: bool
) -> None:
    fake = Fake(monkeypatch)

    def lose() -> int:
        fake.partition.leadership = None
        return 1

    fake.steps = [None, Look(lose, is_short)]
    fake.failure = DamagedLog("t-0", 0, 5, "the file ends there")
    assert [each.error_code for each in await fake.ask(CountRecordsPartition(0))] == [ErrorCode.NOT_LEADER_OR_FOLLOWER]
    assert not fake.met
