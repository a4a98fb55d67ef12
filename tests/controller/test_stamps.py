"""What has been on its way for long is not carried out."""

from __future__ import annotations

import pytest

from odradek_broker.controller.stamps import Stamps

STAMPS = Stamps(b"this one")
PATIENCE_MS = 5_000


def test_a_stamp_is_good_for_a_while_that_is_shorter_than_its_senders_patience() -> None:
    stamp = STAMPS.stamp(1_000)
    assert STAMPS.is_good(stamp, PATIENCE_MS, 1_000)
    assert STAMPS.is_good(stamp, PATIENCE_MS, 1_000 + PATIENCE_MS * 8 // 10)
    assert not STAMPS.is_good(stamp, PATIENCE_MS, 1_000 + PATIENCE_MS)
    assert not STAMPS.is_good(stamp, PATIENCE_MS // 2, 1_000 + PATIENCE_MS * 8 // 10)


@pytest.mark.parametrize("stamp", [b"", b"this one", Stamps(b"the last").stamp(1_000)])
def test_no_stamp_and_another_controllers_are_not_good(stamp: bytes) -> None:
    assert not STAMPS.is_good(stamp, PATIENCE_MS, 1_000)


@pytest.mark.parametrize("controllers_rate", [0.95, 1.05])
@pytest.mark.parametrize("senders_rate", [0.95, 1.05])
def test_what_a_sender_has_given_up_is_too_late_whatever_their_clocks(
    controllers_rate: float, senders_rate: float
) -> None:
    given_up_ms = PATIENCE_MS / senders_rate
    stamp = STAMPS.stamp(int(1_000.9 * controllers_rate))
    assert not STAMPS.is_good(stamp, PATIENCE_MS, int((1_000.9 + given_up_ms) * controllers_rate))
