"""One bit of what had been on stable storage turns over, and the broker dies: what the next start makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from odradek_broker.log.config import LogConfig
from tests.log.log_batches import batch
from tests.log.log_fixtures import LogHouse, append

LEADER_EPOCH = range(12, 16)
"""Where the header has it; the checksum leaves it out."""


@pytest.fixture
def house(tmp_path: Path) -> LogHouse:
    return LogHouse(tmp_path, LogConfig(index_interval_bytes=100))


@pytest.mark.slow
def test_a_bit_that_turns_over_in_the_last_segment_is_damage_and_nothing_behind_it_is_kept(house: LogHouse) -> None:
    log, last = house.open(), 0
    for number in range(5):
        last = log.size_bytes
        append(log, batch(b"%d" % number, b"second"))
    log.flush()
    end, content = log.log_end_offset, house.content()
    log.close(clean=False)
    aside = shutil.copytree(house.path, house.path.with_name("aside"))
    (name,) = house.names(".log")
    for bit in range(8 * len(content)):
        if bit // 8 - last in LEADER_EPOCH:
            continue  # nothing contradicts it
        rotten = bytearray(content)
        rotten[bit // 8] ^= 1 << bit % 8
        shutil.rmtree(house.path)
        shutil.copytree(aside, house.path)
        (house.path / name).write_bytes(rotten)
        log = house.open(clean=False, recovery_point=end)
        assert log.recovery is not None
        assert log.recovery.is_damage, bit
        assert content.startswith(house.content()), bit
        log.close(clean=False)


def test_a_torn_write_that_contradicts_what_was_synced_before_it_takes_nothing_of_that_with_it(house: LogHouse) -> None:
    log = house.open()
    append(log, batch(b"a"))
    append(log, batch(b"b"))
    log.flush()
    end, content = log.log_end_offset, house.content()
    log.close(clean=False)
    (name,) = house.names(".log")
    (house.path / name).write_bytes(content + batch(b"of an offset that was given before"))
    log = house.open(clean=False, recovery_point=end)
    assert log.recovery is not None
    assert not log.recovery.is_damage
    assert (log.log_end_offset, house.content()) == (end, content)
