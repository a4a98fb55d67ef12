"""A journal that is damaged comes back from what brokers know, whole or not at all."""

from __future__ import annotations

import posixpath
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.controller.replay import replay
from odradek_broker.controller.restore import CannotRestore, Known, Remains, choose, remains_of, set_aside, write
from odradek_broker.controller.snapshot_file import SnapshotId
from odradek_broker.ports.disk import Disk, RealDisk
from tests.controller.decisions import decisions

EMPTY = MetadataImage(cluster_id="test")
NOW_MS = 1_700_000_000_000
DECISIONS = 30


class Damaged:
    """A journal of some decisions, the images after each, and where each begins in its only segment."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.directory = posixpath.join(self.path, "__cluster_metadata-0")
        self.images: list[MetadataImage] = []
        self.begins = []
        journal = FileJournal(self.path, RealDisk(), NOW_MS)
        (self.segment,) = path.rglob("*.log")
        for records, image in decisions(Random(4), DECISIONS, EMPTY):
            self.begins.append(self.segment.stat().st_size)
            journal.append(records, NOW_MS)
            self.images.append(image)
        journal.close()

    def flip(self, decision: int) -> None:
        content = bytearray(self.segment.read_bytes())
        content[self.begins[decision] + 65] ^= 4
        self.segment.write_bytes(content)

    def knows(self, decision: int, epoch: int = 1) -> Known:
        return Known(f"broker {decision}", self.images[decision], epoch)

    @property
    def remains(self) -> Remains:
        return remains_of(RealDisk(), self.directory, "test")

    def choose(self, *known: Known, even_if_less: bool = False) -> Known:
        return choose(known, self.remains, "test", even_if_less=even_if_less)

    def write(self, newest: Known, disk: Disk | None = None) -> SnapshotId:
        return write(disk or RealDisk(), self.directory, newest, self.remains, NOW_MS)

    def reopened(self) -> tuple[FileJournal, MetadataImage]:
        journal, image = FileJournal(self.path, RealDisk(), NOW_MS), EMPTY
        for entry in journal.replay():
            image = replay(image, entry.records, entry.last_offset)
        return journal, image


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path)


def test_an_image_that_covers_the_damage_is_carried_on_by_the_sound_decisions_behind_it(damaged: Damaged) -> None:
    damaged.flip(10)
    with pytest.raises(JournalDamaged):
        damaged.reopened()
    for decision in (10, 17, DECISIONS - 1):
        assert damaged.choose(damaged.knows(decision)).image == damaged.images[-1]
    assert damaged.choose(damaged.knows(3), damaged.knows(12)).by == "broker 12"


def test_an_image_that_ends_before_the_damage_is_not_enough(damaged: Damaged) -> None:
    damaged.flip(10)
    for known in ([], [damaged.knows(9)], [damaged.knows(2), damaged.knows(9)]):
        with pytest.raises(CannotRestore, match=f"offset {damaged.images[-1].offset} was decided") as refused:
            damaged.choose(*known)
        assert f"knows more than offset {damaged.images[9].offset}" in str(refused.value)


def test_the_journal_itself_may_know_most(damaged: Damaged) -> None:
    """Rot in the last decision, and brokers that lag behind: it is torn, as far as anybody knows."""
    damaged.flip(DECISIONS - 1)
    newest = damaged.choose(damaged.knows(5))
    assert newest.image == damaged.images[-2]
    assert damaged.choose(damaged.knows(DECISIONS - 1)).image == damaged.images[-1]


def test_who_has_heard_of_a_later_epoch_is_believed(damaged: Damaged) -> None:
    longer = structs.replace(damaged.images[-1], offset=damaged.images[-1].offset + 5)
    later = Known("later", structs.replace(damaged.images[-1], offset=damaged.images[-1].offset + 2), 3)
    assert damaged.choose(Known("longer", longer, 2), later).by == "later"


def test_clusters_are_not_mixed_and_nothing_comes_of_nothing(damaged: Damaged, tmp_path: Path) -> None:
    stranger = Known("stranger", structs.replace(damaged.images[-1], cluster_id="other"), 1)
    with pytest.raises(CannotRestore, match="different clusters: other, test"):
        damaged.choose(stranger)
    nothing = remains_of(RealDisk(), str(tmp_path / "empty"), "")
    with pytest.raises(CannotRestore, match="knows anything"):
        choose([Known("new", EMPTY, -1)], nothing, "")
    assert choose([stranger], nothing, "") == stranger


@pytest.mark.parametrize("decision", [0, 10, DECISIONS - 1])
def test_the_journal_goes_on_where_all_nodes_follow_and_what_was_damaged_is_kept_aside(
    damaged: Damaged, decision: int
) -> None:
    damaged.flip(decision)
    before = damaged.segment.read_bytes()
    newest = damaged.choose(damaged.knows(DECISIONS - 1))
    aside = set_aside(RealDisk(), damaged.directory, "5")
    id = damaged.write(newest)
    journal, image = damaged.reopened()
    assert image == structs.replace(damaged.images[-1], offset=id.end_offset - 1)
    assert aside is not None and Path(aside, damaged.segment.name).read_bytes() == before
    (records, after), *_ = (each for each in decisions(Random(9), 200, image) if each[1].offset > image.offset)
    assert journal.append(records, NOW_MS) == id.end_offset - 1 + len(records)
    assert damaged.reopened()[1] == after
    for known in damaged.images:
        assert journal.history.has(known.offset, 1, id.end_offset), "they follow by a snapshot"
    assert not journal.history.has(id.end_offset, 1, id.end_offset + 1), "an epoch of its own began there"


def test_a_crash_before_the_snapshot_is_there_leaves_the_journal_damaged_as_it_was(damaged: Damaged) -> None:
    damaged.flip(3)

    class FullDisk(RealDisk):
        def replace_file(self, path: str, data: object, *, sync: bool = True) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        damaged.write(damaged.choose(damaged.knows(20)), FullDisk())
    with pytest.raises(JournalDamaged):
        damaged.reopened()


def test_a_lone_node_may_go_on_with_less_where_somebody_says_so(damaged: Damaged) -> None:
    damaged.flip(10)
    newest = damaged.choose(even_if_less=True)
    assert (newest.by, newest.image) == ("the journal itself", damaged.images[9])
    id = damaged.write(newest)
    assert id.end_offset > damaged.images[-1].offset, "offsets that were in use are not used again"
    assert damaged.reopened()[1].topics == damaged.images[9].topics
