"""Where a follower cuts its log, as its leader says what it has."""

from __future__ import annotations

import pytest

from odradek_broker.log.leader_epochs import LeaderEpochs
from odradek_broker.replication.truncation import last_epoch, truncation_offset


def test_the_last_epoch_is_that_of_the_last_batch_not_of_an_epoch_that_has_none() -> None:
    epochs = LeaderEpochs([(0, 0), (3, 10), (4, 20)])
    assert last_epoch(epochs, 20) == 3
    assert last_epoch(epochs, 21) == 4
    assert last_epoch(epochs, 1) == 0
    assert last_epoch(epochs, 0) == -1, "an empty log has none, whatever has begun"
    assert last_epoch(LeaderEpochs(), 0) == -1


@pytest.mark.parametrize(
    ("epoch", "end", "expected", "why"),
    [
        (2, 15, 15, "both have epoch 2, the leader's ends earlier"),
        (2, 30, 20, "both have epoch 2, ours ends earlier"),
        (1, 12, 10, "the leader has an epoch that we lack: back to the end of the one before, and ask again"),
        (0, 5, 5, "they parted long ago"),
        (-1, 0, 0, "the leader has nothing of it"),
    ],
)
def test_logs_are_cut_where_they_part(epoch: int, end: int, expected: int, why: str) -> None:
    ours = LeaderEpochs([(0, 0), (2, 10), (4, 20)])
    assert truncation_offset(ours, 25, epoch, end) == expected, why


def test_two_logs_that_diverge_twice_come_together_by_asking_again() -> None:
    """KIP-279: fast leader changes leave epochs on either side that the other has never seen."""
    leader, leader_end = LeaderEpochs([(0, 0), (1, 10), (3, 14), (5, 16)]), 20
    ours, end, rounds = LeaderEpochs([(0, 0), (2, 12), (4, 15)]), 22, 0
    while True:
        asked = last_epoch(ours, end)
        epoch, end_offset = leader.end_offset_for(asked, leader_end)
        if epoch == asked and end_offset >= end:
            break
        cut = truncation_offset(ours, end, epoch, end_offset)
        assert cut < end or epoch < asked
        end, rounds = cut, rounds + 1
        ours.truncate_to(end)
        assert rounds < 10
    assert end == 10, "up to there both have epoch 0"
