"""Random walks: a log and the simplest model of one go through the same calls, and agree after every step."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from tests.log.log_batches import batch, records
from tests.log.log_fixtures import NOW, LogHouse, append, read_all

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=150, retention_ms=-1)


class Walk:
    """`model` holds, for each batch in the log, its base offset and the values of its records."""

    def __init__(self, house: LogHouse, seed: int) -> None:
        self.house = house
        self.rng = random.Random(seed)
        self.log: Log = house.open()
        self.model: list[tuple[int, list[bytes]]] = []
        self.start = self.end = self.flushed = 0
        self.sequence = 0
        self.epoch = 0

    def append(self) -> None:
        values = [self.rng.randbytes(self.rng.randint(0, 60)) for _ in range(self.rng.randint(1, 4))]
        append(self.log, batch(*values, timestamp=self.end), epoch=self.epoch)
        self.model.append((self.end, values))
        self.end += len(values)

    def append_several(self) -> None:
        for _ in range(self.rng.randint(1, 15)):
            self.append()

    def new_epoch(self) -> None:
        self.epoch += 1
        self.log.assign_leader_epoch(self.epoch)

    def truncate(self) -> None:
        offset = self.rng.randint(max(self.start, self.end - 30), self.end + 3)
        self.log.truncate_to(offset)
        if offset < self.end:
            removed = [entry for entry in self.model if entry[0] + len(entry[1]) > offset]
            self.model = self.model[: len(self.model) - len(removed)]
            self.end = min([offset, *(base for base, _ in removed)])
            self.start = min(self.start, self.end)
            self.flushed = min(self.flushed, self.end)

    def start_elsewhere(self) -> None:
        if self.rng.random() < 0.1:
            self.start = self.end = self.end + self.rng.randint(0, 50)
            self.log.truncate_fully_and_start_at(self.end)
            self.model = []
            self.flushed = 0

    def delete_records(self) -> None:
        self.start = self.rng.randint(self.start, self.end)
        self.log.advance_log_start(self.start)

    def retain(self) -> None:
        limit = self.rng.choice([-1, 0, 1_500])
        self.log.config = msgspec.structs.replace(CONFIG, retention_bytes=limit)
        self.log.delete_old_segments(NOW, self.rng.randint(self.start, self.end))
        assert self.start <= self.log.log_start_offset <= self.end
        self.start = self.log.log_start_offset

    def flush(self) -> None:
        self.log.flush()
        self.flushed = self.end

    def roll(self) -> None:
        self.log.roll(NOW)

    def reopen(self) -> None:
        clean = self.rng.random() < 0.5
        self.log.close(clean=clean)
        point = self.end if clean else self.rng.randint(0, self.flushed)
        self.log = self.house.open(clean=clean, recovery_point=point, log_start_offset=self.start)
        self.flushed = point if not clean else self.end
        assert self.log.recovery is None or self.log.recovery.cut_at_offset == -1

    def agree(self) -> None:
        log = self.log
        assert (log.log_start_offset, log.log_end_offset, log.flushed_offset) == (self.start, self.end, self.flushed)
        expected = [(base + i, value) for base, values in self.model for i, value in enumerate(values)]
        found = [(offset, value) for offset, _, _, value in records(read_all(log))]
        assert [entry for entry in found if entry[0] >= self.start] == [
            entry for entry in expected if entry[0] >= self.start
        ]
        if self.start < self.end:
            offset = self.rng.randrange(self.start, self.end)
            limit = self.rng.randint(offset, self.end)
            piece = log.read(offset, self.rng.randint(1, 2_000), max_offset=limit)
            if piece is not None:
                got = [(o, value) for o, _, _, value in records(piece.read())]
                assert got == [entry for entry in expected if got[0][0] <= entry[0] <= got[-1][0]]
                assert got[0][0] <= offset and got[-1][0] < limit
            time = self.rng.randrange(self.end + 2)
            at = next((o for o, _ in expected if o >= self.start and self.time_of(o) >= time), None)
            answer = log.offset_for_timestamp(time)
            assert (None if answer is None else answer.offset) == at

    def time_of(self, offset: int) -> int:
        """Every batch carries its base offset as its time."""
        return max(base for base, _ in self.model if base <= offset)


@pytest.mark.parametrize("seed", range(12))
def test_a_log_agrees_with_a_list(tmp_path: Path, seed: int) -> None:
    walk = Walk(LogHouse(tmp_path, CONFIG), seed)
    steps = [
        *[walk.append_several] * 6,
        walk.new_epoch,
        walk.truncate,
        walk.start_elsewhere,
        walk.delete_records,
        walk.retain,
        walk.flush,
        walk.roll,
        walk.reopen,
    ]
    for _ in range(60):
        step = walk.rng.choice(steps)
        step()
        walk.agree()
