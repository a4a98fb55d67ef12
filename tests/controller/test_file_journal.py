"""A journal on a disk: what was appended is there after a restart, each decision whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from odradek.protocol.messages.metadata_records import ConfigRecord, FeatureLevelRecord, NoOpRecord, TopicRecord
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.log.failures import LogFailed
from odradek_broker.ports.disk import RealDisk

NOW_MS = 1_700_000_000_000

DECISIONS: list[list[Struct]] = [
    [FeatureLevelRecord(name="metadata.version", feature_level=30)],
    [
        TopicRecord(name="t", topic_id=b"i" * 16),
        ConfigRecord(resource_type=2, resource_name="t", name="retention.ms", value="5"),
    ],
    [NoOpRecord()] * 3,
]


def opened(directory: Path) -> FileJournal:
    return FileJournal(str(directory), RealDisk(), NOW_MS)


def records(journal: FileJournal) -> list[Struct]:
    return [record for entry in journal.replay() for record in entry.records]


def everything(decisions: list[list[Struct]]) -> list[Struct]:
    return [record for decision in decisions for record in decision]


def test_offsets_count_records_and_go_on_after_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert records(journal) == []
    assert [journal.append(decision, NOW_MS) for decision in DECISIONS] == [0, 2, 5]
    journal.close()
    again = opened(tmp_path)
    assert records(again) == everything(DECISIONS)
    assert [entry.last_offset for entry in again.replay()][-1] == 5
    assert again.append([NoOpRecord()], NOW_MS) == 6
    again.close()


def test_what_was_appended_needs_no_clean_stop(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for decision in DECISIONS:
        journal.append(decision, NOW_MS)
    assert records(opened(tmp_path)) == everything(DECISIONS)


def test_a_torn_decision_is_gone_as_a_whole(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    (file,) = (tmp_path / "__cluster_metadata-0").glob("*.log")
    ends = []
    for decision in DECISIONS:
        journal.append(decision, NOW_MS)
        ends.append(file.stat().st_size)
    whole = file.read_bytes()
    for length in (ends[0], ends[0] + 1, ends[0] + 61, ends[1] - 1, ends[1], ends[2] - 1, ends[2]):
        file.write_bytes(whole[:length])
        survived = sum(end <= length for end in ends)
        reopened = opened(tmp_path)
        assert records(reopened) == everything(DECISIONS[:survived])


def test_after_a_failed_sync_nothing_is_written_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    journal.append(DECISIONS[0], NOW_MS)

    def fail(*_: object) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr("odradek_broker.ports.disk.RealFile.sync", fail)
    with pytest.raises(LogFailed, match="input/output error"):
        journal.append(DECISIONS[1], NOW_MS)
    monkeypatch.undo()
    with pytest.raises(LogFailed):
        journal.append(DECISIONS[2], NOW_MS)
    with pytest.raises(LogFailed):
        journal.close()
