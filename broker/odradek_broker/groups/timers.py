"""What a group's coordinator waits for."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class TimerKind(Enum):
    """What happens when the time has come."""

    SESSION = "a member, or the id reserved for one, has been silent for too long"
    REBALANCE = "members have had enough time to join"
    SYNC = "members have had enough time to ask for their assignment"
    DOWNGRADE = "members of a group that has become a classic one are to join again"
    RETENTION = "let each group look for offsets that nobody needs any longer"
    EXPIRY = "a group is to look for offsets that nobody needs any longer"


class Timer(NamedTuple):
    kind: TimerKind
    group_id: str = ""
    member_id: str = ""
