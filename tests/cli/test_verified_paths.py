"""What is looked at beside a broker that runs, and takes things away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.ports.disk import RealDisk
from odradek_cli.verify import verify_path


def make_log(path: Path) -> None:
    log = Log.open(str(path), RealDisk(), LogConfig(segment_bytes=100), topic_id=b"t" * 16, clean=True, now_ms=0)
    for number in range(3):
        batch = build_batch([Record(timestamp=0, value=b"v" * 50)], base_offset=number)
        log.append_as_follower(memoryview(batch), now_ms=0)
    log.close(clean=True)


@pytest.mark.parametrize("looked_at_first", range(0, 11, 2))
def test_a_directory_that_goes_while_it_is_looked_at_ends_nothing_and_is_no_damage(
    tmp_path: Path, looked_at_first: int
) -> None:
    """As a topic's goes that is deleted."""
    for name in ("a-0", "b-0"):
        make_log(tmp_path / name)
    going = verify_path(tmp_path)
    seen = [next(going) for _ in range(looked_at_first)]
    shutil.rmtree(tmp_path / "a-0")
    seen += going
    others = [each for each in seen if each.path.startswith(str(tmp_path / "b-0"))]
    assert len(others) > 10 and not any(each.faults for each in seen)


def test_what_is_there_and_cannot_be_found_ends_it(tmp_path: Path) -> None:
    (tmp_path / "a-0").mkdir()
    (tmp_path / "a-0" / "0.log").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        list(verify_path(tmp_path / "none"))
