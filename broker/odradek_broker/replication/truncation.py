"""Where a follower's log parts from its leader's (KIP-101, 279, 320): never by the high watermark."""

from __future__ import annotations

from odradek_broker.log.leader_epochs import NO_EPOCH, LeaderEpochs


def last_epoch(epochs: LeaderEpochs, log_end_offset: int) -> int:
    """The leader epoch of the last batch of a log, or -1 where it is empty."""
    return epochs.epoch_at(log_end_offset - 1)


def truncation_offset(epochs: LeaderEpochs, log_end_offset: int, epoch: int, end_offset: int) -> int:
    """Where to cut, as the leader says that the last epoch which both may have is `epoch`, ending at `end_offset`.

    Where the follower does not have that epoch either, it cuts back to where the one before ends, and asks again: the
    leader's answer is then about an older epoch.
    """
    own_epoch, own_end = epochs.end_offset_for(epoch, log_end_offset)
    if own_epoch == NO_EPOCH:
        return min(end_offset, log_end_offset)
    if own_epoch == epoch:
        return min(end_offset, own_end)
    return min(own_end, log_end_offset)
