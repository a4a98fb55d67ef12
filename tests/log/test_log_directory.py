"""A log directory: one process at a time, one cluster, one node; checkpoints that may be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odradek_broker.log.directory import LogDirectory
from odradek_broker.log.failures import InconsistentDirectory
from odradek_broker.log.offset_checkpoints import (
    CLEANER_OFFSETS,
    COMPACTED_FOR,
    LOG_START_OFFSETS,
    NAMES,
    RECOVERY_POINTS,
)
from odradek_broker.ports.disk import AlreadyLocked, RealDisk
from tests.log.log_batches import batch
from tests.log.log_fixtures import NOW, SMALL, TOPIC_ID, append, some

ID = bytes(range(16, 32))


def saying(key: tuple[bytes, int], offset: int) -> Callable[[object], dict[tuple[bytes, int], int]]:
    return lambda _: {key: offset}


def open_directory(path: Path, cluster_id: str = "c1", node_id: int = 1, new_directory_id: bytes = ID) -> LogDirectory:
    return LogDirectory.open(
        str(path), RealDisk(), cluster_id=cluster_id, node_id=node_id, new_directory_id=new_directory_id
    )


def test_a_new_directory_is_marked_with_its_cluster_node_and_id(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "data")
    text = (tmp_path / "data" / "meta.properties").read_text()
    assert text == "version=1\ncluster.id=c1\nnode.id=1\ndirectory.id=EBESExQVFhcYGRobHB0eHw\n"
    directory.release()
    again = open_directory(tmp_path / "data", new_directory_id=bytes(16))
    assert again.directory_id == ID, "it keeps the id it has"


def test_the_names_of_new_directories_are_synced_to_the_first_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could take the whole directory, with whatever was synced inside."""
    synced = []
    monkeypatch.setattr(RealDisk, "sync_dir", lambda disk, path: synced.append(path))
    (tmp_path / "there").mkdir()
    open_directory(tmp_path / "there" / "new" / "data").release()
    assert {str(tmp_path / "there"), str(tmp_path / "there" / "new")} <= set(synced)
    assert str(tmp_path) not in synced
    synced.clear()
    open_directory(tmp_path / "there" / "new" / "data").release()
    assert synced == []


@pytest.mark.parametrize("other", [{"cluster_id": "c2"}, {"node_id": 2}])
def test_the_directory_of_another_cluster_or_node_is_refused_and_let_go(tmp_path: Path, other: dict[str, Any]) -> None:
    open_directory(tmp_path).release()
    with pytest.raises(InconsistentDirectory):
        open_directory(tmp_path, **other)
    open_directory(tmp_path).release()


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    with pytest.raises(AlreadyLocked):
        open_directory(tmp_path)
    directory.release()
    open_directory(tmp_path).release()


def test_a_start_is_clean_once_and_only_after_a_clean_stop(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    assert (directory.clean, directory.previous_broker_epoch) == (False, -1)
    directory.mark_clean(42)
    directory.release()
    directory = open_directory(tmp_path)
    assert (directory.clean, directory.previous_broker_epoch) == (True, 42)
    directory.release()
    assert not open_directory(tmp_path).clean, "it has been taken away"


def test_checkpoints_are_read_back_and_damaged_ones_named(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    key = (TOPIC_ID, 0)
    for offset, name in enumerate(NAMES, start=2):
        directory.checkpoints.write(name, saying(key, offset))
    directory.release()
    again = open_directory(tmp_path)
    assert [again.checkpoints.get(name, key) for name in NAMES] == [2, 3, 4, 5, 6]
    again.release()
    (tmp_path / RECOVERY_POINTS).write_bytes(b"rubbish")
    damaged = open_directory(tmp_path)
    assert [damaged.checkpoints.get(name, key) for name in NAMES] == [0, 3, 4, 5, 6]
    assert damaged.damaged == [RECOVERY_POINTS]


def test_logs_are_opened_by_what_the_checkpoints_say(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    log = directory.open_log("orders", 3, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    for _ in range(9):
        append(log, batch(b"a"))
    log.flush()
    log.close(clean=False)
    for name, offset in ((RECOVERY_POINTS, 6), (LOG_START_OFFSETS, 4), (CLEANER_OFFSETS, 5), (COMPACTED_FOR, 8)):
        directory.checkpoints.write(name, saying((TOPIC_ID, 3), offset))
    directory.release()
    directory = open_directory(tmp_path)
    assert directory.partitions() == [("orders", 3)]
    log = directory.open_log("orders", 3, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    assert (log.log_start_offset, log.first_dirty_offset, log.flushed_offset, log.compacted_for) == (4, 5, 6, 8)
    assert some(log.recovery).recovery_point == 6 and log.log_end_offset == 9


def test_where_damage_has_taken_for_whose_sake_records_are_gone_all_may_be_gone_for_the_last(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    for _ in range(5):
        append(log, batch(b"a"))
    log.flush()
    log.close(clean=False)
    directory.release()
    (tmp_path / COMPACTED_FOR).write_bytes(b"rubbish")
    log = open_directory(tmp_path).open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    assert log.compacted_for == 5


@pytest.mark.parametrize("recovery_point", [0, 5])
def test_what_is_said_beyond_the_end_that_a_start_has_found_is_taken_back(tmp_path: Path, recovery_point: int) -> None:
    """Others will have these offsets. But the recovery point, if it tells of damage, stays until that has been told."""
    directory = open_directory(tmp_path)
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    for _ in range(5):
        append(log, batch(b"a"))
    log.close(clean=False)
    for name in NAMES:
        offset = recovery_point if name == RECOVERY_POINTS else 5
        directory.checkpoints.write(name, saying((TOPIC_ID, 0), offset))
    directory.checkpoints.write(LOG_START_OFFSETS, lambda _: {})
    directory.release()
    path = tmp_path / "t-0" / "00000000000000000000.log"
    path.write_bytes(path.read_bytes()[:-1])
    directory = open_directory(tmp_path)
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    assert log.log_end_offset == 4 and some(log.recovery).is_damage == (recovery_point == 5)
    directory.release()
    again = open_directory(tmp_path)
    assert [again.checkpoints.get(name, (TOPIC_ID, 0)) for name in NAMES] == [recovery_point, 0, 4, 4, 4]
    again.release()


def test_nothing_said_of_another_topic_of_the_same_name_is_believed(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    for name in NAMES:
        directory.checkpoints.write(name, lambda _: {(bytes(16), 0): 40})
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    assert (log.log_start_offset, log.log_end_offset, log.recovery_point, log.first_dirty_offset) == (0, 0, 0, 0)


def test_a_log_that_was_moved_away_and_comes_back_is_believed_nothing_of_what_the_first_one_had(tmp_path: Path) -> None:
    """Its topic is the same; and a crash finds nothing either."""
    directory = open_directory(tmp_path)
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    for name in NAMES:
        directory.checkpoints.write(name, lambda _: {(TOPIC_ID, 0): 40, (TOPIC_ID, 1): 7})
    directory.delete_log(log, "aa", NOW)
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    assert (log.log_start_offset, log.log_end_offset, log.first_dirty_offset) == (0, 0, 0)
    directory.release()
    again = open_directory(tmp_path)
    assert [dict(again.checkpoints.written(name)) for name in NAMES] == [{(TOPIC_ID, 1): 7}] * len(NAMES)
    again.release()


def test_deleted_and_stray_logs_are_no_partitions(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    for partition in range(3):
        append(directory.open_log("t", partition, SMALL, topic_id=TOPIC_ID, now_ms=NOW), batch(b"a"))
    (tmp_path / "t-9").write_text("a file")
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    marked = log.delete("aa")
    stray = directory.mark_stray("t", 1, "bb")
    assert stray.endswith("t-1.bb-stray")
    assert directory.partitions() == [("t", 2)] and directory.deleted_directories() == [marked]
    directory.remove_directory(marked)
    assert directory.deleted_directories() == []
    assert sorted(path.name for path in tmp_path.glob("t-*")) == ["t-1.bb-stray", "t-2", "t-9"]
    with pytest.raises(AssertionError):
        directory.remove_directory(stray)


def test_a_deleted_log_keeps_its_files_until_its_delay_is_over(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    log = directory.open_log("t", 0, SMALL, topic_id=TOPIC_ID, now_ms=NOW)
    append(log, batch(b"a"))
    directory.delete_log(log, "aa", NOW)
    due_ms = NOW + SMALL.file_delete_delay_ms
    assert directory.take_deleted_logs(due_ms - 1) == []
    assert directory.take_deleted_logs(due_ms) == directory.deleted_directories() != []
    assert directory.take_deleted_logs(due_ms) == []
    directory.release()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"version=1\ncluster.id=c1\n",
        b"version=1\nnode.id=1\n",
        b"version=5\ncluster.id=c1\nnode.id=1\n",
        b"version=1\ncluster.id=c\xff\nnode.id=1\n",
        b"version=1\ncluster.id=c1\nnode.id=!\n",
        b"version=1\ncluster.id=c1\nnode.id=1\ndirectory.id=EBESExQVFhcYGRobHB0e!w\n",
        b"version=1\ncluster.id=c1\nnode.id=1\ndirectory.id=EBES\n",
    ],
)
def test_a_directory_that_does_not_say_any_more_whose_it_is_is_refused_with_what_to_do(
    tmp_path: Path, damaged: bytes
) -> None:
    (tmp_path / "meta.properties").write_bytes(damaged)
    with pytest.raises(InconsistentDirectory, match=r"damaged: .* the lines version=1, cluster.id=c1 and node.id=1"):
        open_directory(tmp_path)
    (tmp_path / "meta.properties").write_text("version=1\ncluster.id=c1\nnode.id=1\n")
    directory = open_directory(tmp_path)
    assert directory.directory_id == ID, "it gets a new one"
    directory.release()


def test_every_file_that_is_damaged_is_named_with_what_follows(tmp_path: Path) -> None:
    open_directory(tmp_path).release()
    names = [".kafka_cleanshutdown", "broker-registration.properties", "recovery-point-offset-checkpoint"]
    for name in names:
        (tmp_path / name).write_bytes(b"rubbish")
    directory = open_directory(tmp_path)
    lines = directory.what_damage_means()
    assert len(lines) == len(names)
    assert all(any(line.startswith(f"{tmp_path / name} is damaged: ") for line in lines) for name in names)
    directory.release()


def test_where_only_the_directory_knows_its_cluster_and_has_forgotten_it_no_other_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_bytes(b"version=1\nnode.id=1\n")
    with pytest.raises(InconsistentDirectory, match=r"cluster.id=\(as the other nodes have it\)"):
        open_directory(tmp_path, cluster_id="")
