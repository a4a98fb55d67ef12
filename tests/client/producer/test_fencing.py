"""Who has ended a transaction, by what its coordinator says of the transactional id."""

from __future__ import annotations

import pytest

from odradek.errors import EndedBy
from odradek.producer.fencing import who_ended
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_transactions import TransactionState

OURS, EPOCH, TIMEOUT_S = 7, 3, 60.0


@pytest.mark.parametrize(
    ("producer_id", "epoch", "state", "open_s", "by"),
    [
        (OURS, EPOCH, "Ongoing", 1, EndedBy.ADMINISTRATOR),
        (OURS, EPOCH + 1, "PrepareAbort", 60, EndedBy.TIMEOUT),
        (OURS, EPOCH + 1, "CompleteAbort", 61, EndedBy.TIMEOUT),
        (OURS, EPOCH + 1, "CompleteAbort", 59, EndedBy.UNKNOWN),
        (OURS, EPOCH + 1, "Empty", 61, EndedBy.NEWER_PRODUCER),
        (OURS, EPOCH + 1, "Ongoing", 61, EndedBy.NEWER_PRODUCER),
        (OURS, EPOCH + 2, "Empty", 61, EndedBy.NEWER_PRODUCER),
        (OURS, EPOCH + 2, "CompleteAbort", 61, EndedBy.NEWER_PRODUCER),
        (OURS + 1, 0, "Empty", 61, EndedBy.NEWER_PRODUCER),
    ],
)
def test_who_has_ended_it_follows_from_whose_the_id_is_now(
    producer_id: int, epoch: int, state: str, open_s: float, by: EndedBy
) -> None:
    now = TransactionState(transaction_state=state, producer_id=producer_id, producer_epoch=epoch)
    assert who_ended(now, OURS, EPOCH, open_s, TIMEOUT_S) is by


@pytest.mark.parametrize(
    ("code", "by"),
    [(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, EndedBy.EXPIRATION), (ErrorCode.NOT_COORDINATOR, EndedBy.UNKNOWN)],
)
def test_an_id_that_nobody_knows_has_expired_and_what_is_not_said_is_not_known(code: ErrorCode, by: EndedBy) -> None:
    assert who_ended(TransactionState(error_code=code), OURS, EPOCH, 1.0, TIMEOUT_S) is by
