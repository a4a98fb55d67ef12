"""What is told of how far a share group is, whatever is stored of it."""

from __future__ import annotations

import pytest

from odradek.protocol.codec import encode
from odradek.protocol.messages.read_share_group_state_summary import PartitionResult
from odradek_broker.apis.api_90_describe_share_group_offsets import _partition


@pytest.mark.parametrize(("start", "lag"), [(-(2**63), -1), (-2, -1), (-1, -1), (0, 7), (5, 2), (2**63 - 1, 0)])
def test_an_offset_that_no_log_has_makes_no_lag_and_fits_into_an_answer(start: int, lag: int) -> None:
    """Whoever may write into __share_group_state may store any."""
    described = _partition(0, PartitionResult(start_offset=start), 7)
    assert (described.start_offset, described.lag) == (start, lag)
    encode(described, 1)
