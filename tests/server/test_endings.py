"""What is said of strangers: of each kind one line a second, and how many there were more."""

from __future__ import annotations

import logging

import pytest

from odradek_broker.apis import Caller
from odradek_broker.server.endings import Ending, Endings


def test_a_thousand_of_a_kind_in_a_second_are_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    endings = Endings()
    for port in range(1000):
        endings.blame(Ending.NO_HANDSHAKE, Caller(("10.0.0.7", port), ("10.0.0.1", 9092), "SSL"), "TLS: bad")
    endings.blame(Ending.NO_PROTOCOL, Caller(("10.0.0.8", 1), ("10.0.0.1", 9092)), "no request")
    endings.tick()
    assert caplog.messages == [
        "10.0.0.7:0 does not come in by SSL: TLS: bad",
        "closing the connection of 10.0.0.8:1 (software that has not said its name): no request",
        "999 times more a handshake of TLS has failed",
    ]
    caplog.clear()
    endings.tick()
    endings.tell(Ending.NO_HANDSHAKE, "the next second")
    assert caplog.messages == ["the next second"]
