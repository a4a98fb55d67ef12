"""What a journal does about damage: only a torn end is nobody's loss, and only where nobody can have been told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec import Struct

from odradek_broker.controller.features import BOOTSTRAP
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.controller.replay import replay
from odradek_broker.ports.disk import RealDisk, RealFile
from tests.controller.decisions import decisions

EMPTY = MetadataImage(cluster_id="test")
NOW_MS = 1_700_000_000_000
SNAPSHOT_BYTES = 1500


class Keeper:
    """A journal, and the image that it should have."""

    def __init__(self, path: Path, snapshot_bytes: int = 1 << 30) -> None:
        self.path, self.image, self.snapshot_bytes = path, EMPTY, snapshot_bytes
        self._decisions: Iterator[tuple[list[Struct], MetadataImage]] = decisions(Random(1), 1000, EMPTY)
        self.ends = [0]
        self.journal = self.open()

    def open(self, *, clean: bool = False, seen: tuple[int, int] = (-1, -1)) -> FileJournal:
        disk = RealDisk()
        return FileJournal(str(self.path), disk, NOW_MS, clean=clean, seen=seen, snapshot_bytes=self.snapshot_bytes)

    def decide(self, count: int) -> None:
        for _ in range(count):
            records, self.image = next(self._decisions)
            assert self.journal.append(records, NOW_MS) == self.image.offset
            self.ends.append(self.segment.stat().st_size)
            if self.journal.wants_snapshot:
                self.journal.begin_snapshot(self.image)()
                self.journal.end_snapshot()

    @property
    def directory(self) -> Path:
        return self.path / "__cluster_metadata-0"

    @property
    def segments(self) -> list[Path]:
        return sorted(self.directory.glob("*.log"))

    @property
    def segment(self) -> Path:
        return self.segments[-1]

    @property
    def snapshots(self) -> list[Path]:
        return sorted(self.directory.glob("*.checkpoint"))

    def files(self) -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in self.directory.iterdir()}


def image_of(journal: FileJournal) -> MetadataImage:
    image = EMPTY
    for entry in journal.replay():
        image = replay(image, entry.records, entry.last_offset)
    return image


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_a_flipped_bit_anywhere_before_the_last_decision_is_refused_and_nothing_is_changed(keeper: Keeper) -> None:
    keeper.decide(8)
    for position in range(0, keeper.ends[-2], 7):
        if position in {at + byte for at in keeper.ends for byte in range(12, 16)}:
            continue  # the epoch: another test
        flip(keeper.segment, position, position % 8)
        before = keeper.files()
        with pytest.raises(JournalDamaged):
            keeper.open()
        assert keeper.files() == before
        flip(keeper.segment, position, position % 8)
    assert image_of(keeper.open()) == keeper.image


def test_the_refusal_is_one_line_with_the_place_the_consequence_and_the_remedy(keeper: Keeper) -> None:
    keeper.decide(4)
    offset = image_of(keeper.journal).offset
    flip(keeper.segment, keeper.ends[1] + 70)
    with pytest.raises(JournalDamaged) as refused:
        keeper.open()
    line = str(refused.value)
    assert "\n" not in line
    assert (
        f"{keeper.segment}, position {keeper.ends[1]}, offset {len(BOOTSTRAP)}: a batch does not match its checksum"
        in line
    )
    assert f"what was decided from offset {len(BOOTSTRAP)} on, up to offset {offset}, would be forgotten" in line
    assert f"odradek metadata restore --data-dir {keeper.path} --from HOST:PORT" in line


def test_an_epoch_that_was_changed_is_noticed_by_the_batches_behind_it(keeper: Keeper) -> None:
    keeper.decide(4)
    flip(keeper.segment, keeper.ends[1] + 13)
    with pytest.raises(JournalDamaged, match="of epoch 1 behind one of epoch 65537"):
        keeper.open()


def test_the_last_decision_is_left_out_where_it_is_torn_and_named(keeper: Keeper) -> None:
    keeper.decide(3)
    before = keeper.image
    keeper.decide(1)
    whole = keeper.segment.read_bytes()
    for length in range(keeper.ends[3] + 1, keeper.ends[4]):
        keeper.segment.write_bytes(whole[:length])
        journal = keeper.open()
        assert journal.torn is not None and f"position {keeper.ends[3]}" in journal.torn
        assert image_of(journal) == before


def test_after_a_clean_stop_the_last_decision_was_told_so_its_damage_is_refused(keeper: Keeper) -> None:
    keeper.decide(4)
    keeper.journal.close()
    flip(keeper.segment, keeper.ends[4] - 1)
    with pytest.raises(JournalDamaged, match="and told, would be forgotten"):
        keeper.open(clean=True)
    assert keeper.open(clean=False).torn is not None


def test_what_this_node_has_noted_must_be_there(keeper: Keeper) -> None:
    keeper.decide(3)
    shorter = keeper.image
    keeper.decide(1)
    flip(keeper.segment, keeper.ends[4] - 1)
    with pytest.raises(JournalDamaged, match="does not match its checksum"):
        keeper.open(seen=(keeper.image.offset, 1))
    assert keeper.open(seen=(shorter.offset, 1)).torn is not None
    with pytest.raises(JournalDamaged, match=f"its log ends at offset {shorter.offset}"):
        keeper.open(seen=(keeper.image.offset, 1))  # it is not even there any more
    with pytest.raises(JournalDamaged, match="is not of epoch 7"):
        keeper.open(seen=(shorter.offset, 7))


def test_files_that_are_gone_are_noticed(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, SNAPSHOT_BYTES)
    while len(keeper.snapshots) < 2:
        keeper.decide(1)
    keeper.decide(3)
    segment = keeper.segment.read_bytes()
    keeper.segment.unlink()
    with pytest.raises(JournalDamaged, match="its log ends at offset"):
        keeper.open(seen=(keeper.image.offset, 1))
    keeper.directory.joinpath(f"{keeper.snapshots[1].name[:20]}.log").write_bytes(segment)
    for each in keeper.snapshots:
        each.unlink()
    with pytest.raises(JournalDamaged, match="nothing is left of offsets 0 to"):
        keeper.open()


def test_snapshots_bound_the_log_and_the_image_stays_the_same(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, SNAPSHOT_BYTES)
    largest = 0
    for number in range(300):
        keeper.decide(1)
        largest = max(largest, sum(each.stat().st_size for each in keeper.segments))
        if number % 29 == 0:
            keeper.journal.close()
            keeper.journal = keeper.open()
            assert image_of(keeper.journal) == keeper.image
    assert largest < 5 * SNAPSHOT_BYTES
    assert len(keeper.snapshots) == 2
    assert len(keeper.files()) < 20


def test_a_snapshot_is_wanted_no_sooner_than_the_log_is_as_long_as_the_last_one(keeper: Keeper) -> None:
    keeper.decide(60)
    keeper.snapshot_bytes = 1
    keeper.journal.close()
    keeper.journal = keeper.open()
    keeper.decide(1)
    size, sizes = keeper.snapshots[0].stat().st_size, []
    while len(keeper.snapshots) < 2:
        sizes.append(keeper.segment.stat().st_size)
        keeper.decide(1)
    assert size - 500 < sizes[-1] < size


def test_a_snapshot_is_wanted_when_the_oldest_record_outside_of_one_is_old_enough(tmp_path: Path) -> None:
    journal = FileJournal(str(tmp_path), RealDisk(), 0, snapshot_interval_ms=1000)
    steps = decisions(Random(1), 10, EMPTY)

    def decide(now_ms: int) -> MetadataImage:
        records, image = next(steps)
        journal.append(records, now_ms)
        return image

    decide(5000)
    decide(5999)
    assert not journal.wants_snapshot
    image = decide(6000)
    assert journal.wants_snapshot
    write = journal.begin_snapshot(image)
    assert not journal.wants_snapshot, "one at a time"
    write()
    journal.end_snapshot()
    decide(6500)
    journal.close()
    journal = FileJournal(str(tmp_path), RealDisk(), 9000, snapshot_interval_ms=1000)
    decide(7499)
    assert not journal.wants_snapshot
    decide(7500)
    assert journal.wants_snapshot, "the age of what lies behind the snapshot is known after a restart"


def test_what_is_decided_while_a_snapshot_is_written_lies_behind_it(keeper: Keeper) -> None:
    keeper.decide(20)
    write = keeper.journal.begin_snapshot(keeper.image)
    keeper.decide(20)
    write()
    keeper.decide(5)
    keeper.journal.end_snapshot()
    keeper.decide(5)
    assert image_of(keeper.open()) == keeper.image
    keeper.journal = keeper.open()
    keeper.journal.begin_snapshot(keeper.image)()
    keeper.journal.end_snapshot()
    assert len(keeper.segments) == 2, "the log reaches back to the older snapshot only"
    assert image_of(keeper.open()) == keeper.image


def test_a_snapshot_that_does_not_read_back_is_named_and_an_older_one_stands_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(tmp_path, SNAPSHOT_BYTES)
    while len(keeper.snapshots) < 2:
        keeper.decide(1)
    keeper.decide(3)
    older, newest = keeper.snapshots
    flip(newest, newest.stat().st_size - 1)
    assert image_of(keeper.open()) == keeper.image
    assert f"{newest.name} does not read back" in caplog.text
    flip(older, 0)
    with pytest.raises(JournalDamaged) as refused:
        keeper.open()
    assert older.name in str(refused.value) and newest.name in str(refused.value)


def test_a_first_snapshot_that_does_not_read_back_costs_nothing(keeper: Keeper) -> None:
    keeper.decide(10)
    keeper.journal.begin_snapshot(keeper.image)()
    keeper.journal.end_snapshot()
    keeper.decide(3)
    (snapshot,) = keeper.snapshots
    snapshot.write_bytes(snapshot.read_bytes()[:100])
    assert image_of(keeper.open()) == keeper.image


def test_damage_that_a_snapshot_covers_costs_nothing(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, SNAPSHOT_BYTES)
    while len(keeper.snapshots) < 2:
        keeper.decide(1)
    keeper.decide(2)
    *covered, _ = keeper.segments
    flip(covered[0], 20)
    keeper.journal = keeper.open()
    assert image_of(keeper.journal) == keeper.image
    keeper.decide(40)
    assert image_of(keeper.open()) == keeper.image


def test_a_record_of_the_future_is_one_line(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.decide(3)
    monkeypatch.setattr("odradek_broker.controller.frame.FRAME_VERSION", 9)
    with pytest.raises(JournalDamaged, match=r"offset 0 .* cannot be understood: .* a newer version"):
        image_of(keeper.open())


def test_every_start_has_an_epoch_of_its_own_and_knows_those_before(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, SNAPSHOT_BYTES)
    told = []
    for _ in range(6):
        keeper.decide(7)
        told.append((keeper.image.offset, keeper.journal.history.epoch_of(keeper.image.offset)))
        keeper.journal.close()
        keeper.journal = keeper.open()
        list(keeper.journal.replay())
    assert [epoch for _, epoch in told] == [1, 2, 3, 4, 5, 6]
    history, end = keeper.journal.history, keeper.image.offset + 1
    assert all(history.has(offset, epoch, end) for offset, epoch in told)
    last_offset, last_epoch = told[-1]
    assert not history.has(last_offset, last_epoch - 1, end), "another record, of another controller, stood there"
    assert not history.has(last_offset + 1, last_epoch, end)


def test_the_log_reaches_back_to_the_older_snapshot_however_old_its_decisions_are(tmp_path: Path) -> None:
    """Nothing in it ages, and what is not needed is gone at once."""
    journal, steps = FileJournal(str(tmp_path), RealDisk(), NOW_MS), decisions(Random(1), 100, EMPTY)

    def decide(count: int, now_ms: int) -> MetadataImage:
        for _ in range(count):
            records, image = next(steps)
            journal.append(records, now_ms)
        return image

    month_ms = 30 * 24 * 60 * 60 * 1000
    for months in ((0,), (1, 2), (3, 4)):
        for month in months:
            image = decide(5, NOW_MS + month * month_ms)
        journal.begin_snapshot(image)()
        journal.end_snapshot()
    directory = tmp_path / "__cluster_metadata-0"
    assert not list(directory.glob("*.deleted"))
    newest = sorted(directory.glob("*.checkpoint"))[-1]
    journal.close()
    newest.unlink()
    assert image_of(FileJournal(str(tmp_path), RealDisk(), NOW_MS + 5 * month_ms)) == image


def test_a_start_right_behind_a_snapshot_keeps_the_log_in_case_that_is_lost(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    for _ in range(2):
        keeper.decide(10)
        keeper.journal.begin_snapshot(keeper.image)()
        keeper.journal.end_snapshot()
    for _ in range(2):
        keeper.journal.close()
        keeper.journal = keeper.open()
        assert image_of(keeper.journal) == keeper.image
    keeper.journal.close()
    flip(keeper.snapshots[-1], 70)
    assert image_of(keeper.open()) == keeper.image


def test_a_start_writes_the_log_once_more_in_case_a_sync_of_it_had_failed(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.decide(5)
    written: list[bytes] = []
    real = RealFile.write_at
    monkeypatch.setattr(RealFile, "write_at", lambda s, at, data: written.append(bytes(data)) or real(s, at, data))
    keeper.open()
    assert b"".join(written) == keeper.segment.read_bytes()


def test_a_restart_knows_what_is_a_snapshot_and_how_long_the_last_one_was(keeper: Keeper) -> None:
    keeper.decide(30)
    keeper.journal.begin_snapshot(keeper.image)()
    keeper.journal.end_snapshot()
    keeper.decide(2)
    keeper.journal.close()
    keeper.snapshot_bytes = 1
    keeper.journal = keeper.open()
    entries = list(keeper.journal.replay())
    assert [entry.is_snapshot for entry in entries] == [True, *[False] * (len(entries) - 1)] and len(entries) > 1
    assert not keeper.journal.wants_snapshot, "the log behind it is much shorter"


def test_a_first_record_of_another_epoch_than_this_node_has_noted_is_noticed(keeper: Keeper) -> None:
    keeper.decide(2)
    assert keeper.open(seen=(0, 1)).torn is None
    with pytest.raises(JournalDamaged, match="offset 0 is not of epoch 7"):
        keeper.open(seen=(0, 7))
