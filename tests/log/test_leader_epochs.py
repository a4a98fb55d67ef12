"""Leader epochs: where each began, and where it ended."""

from __future__ import annotations

from collections.abc import Callable

from odradek_broker.log.leader_epochs import LeaderEpochs

ENTRIES = [(1, 0), (3, 10), (7, 25)]


def test_an_epoch_ends_where_the_next_begins_and_the_latest_at_the_end_of_the_log() -> None:
    epochs = LeaderEpochs(ENTRIES)
    assert [epochs.end_offset_for(epoch, 40) for epoch in range(-1, 9)] == [
        (-1, -1),
        (0, 0),
        (1, 10),
        (1, 10),
        (3, 25),
        (3, 25),
        (3, 25),
        (3, 25),
        (7, 40),
        (-1, -1),
    ]
    assert LeaderEpochs().end_offset_for(0, 40) == (-1, -1)


def test_the_epoch_of_an_offset_is_the_last_that_began_before_it() -> None:
    epochs = LeaderEpochs(ENTRIES)
    assert [epochs.epoch_at(offset) for offset in (-1, 0, 9, 10, 24, 25, 99)] == [-1, 1, 1, 3, 3, 7, 7]


def test_an_epoch_without_batches_gives_way_to_the_next() -> None:
    epochs = LeaderEpochs(ENTRIES)
    epochs.assign(8, 25)
    assert epochs.entries() == [(1, 0), (3, 10), (8, 25)]
    epochs.assign(8, 30)
    assert epochs.entries() == [(1, 0), (3, 10), (8, 25)]
    epochs.assign(-1, 50)
    assert epochs.latest == 8


def test_truncation_forgets_the_epochs_that_have_no_batches_left() -> None:
    for offset, expected in ((26, ENTRIES), (25, ENTRIES[:2]), (10, ENTRIES[:1]), (0, [])):
        epochs = LeaderEpochs(ENTRIES)
        epochs.truncate_to(offset)
        assert epochs.entries() == expected
        assert (epochs.version > 0) == (expected != ENTRIES)


def test_a_new_start_of_the_log_moves_the_epoch_it_lies_in() -> None:
    for offset, expected in (
        (0, ENTRIES),
        (5, [(1, 5), (3, 10), (7, 25)]),
        (10, [(3, 10), (7, 25)]),
        (30, [(7, 30)]),
    ):
        epochs = LeaderEpochs(ENTRIES)
        epochs.advance_start(offset)
        assert epochs.entries() == expected
    epochs = LeaderEpochs([(4, 8)])
    epochs.advance_start(3)
    assert epochs.entries() == [(4, 8)] and epochs.version == 0


def test_the_first_epoch_of_all_is_one_like_others() -> None:
    epochs = LeaderEpochs()
    epochs.assign(0, 0)
    assert (epochs.entries(), epochs.latest) == ([(0, 0)], 0)


def test_an_older_epoch_that_is_named_anew_begins_there_and_what_came_since_is_forgotten() -> None:
    epochs = LeaderEpochs(ENTRIES)
    epochs.assign(3, 30)
    assert epochs.entries() == [(1, 0), (3, 30)]


def test_each_change_is_counted_so_that_it_is_written_down_and_what_changes_nothing_is_not() -> None:
    epochs = LeaderEpochs(ENTRIES)
    counted = []
    changes: list[Callable[[], object]] = [
        lambda: epochs.assign(8, 40),
        lambda: epochs.assign(8, 50),
        lambda: epochs.assign(9, 60),
        lambda: epochs.truncate_to(60),
        lambda: epochs.truncate_to(60),
        lambda: epochs.truncate_to(40),
        lambda: epochs.advance_start(5),
        lambda: epochs.advance_start(5),
        lambda: epochs.advance_start(20),
        epochs.clear,
        epochs.clear,
    ]
    for change in changes:
        change()
        counted.append(epochs.version)
    assert counted == [1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7] and epochs.entries() == []
