"""What `odradek produce` waits for, and for how long."""

from __future__ import annotations

from typing import cast

import pytest
import trio
from trio.testing import MockClock

from odradek import Producer
from odradek_cli.failures import Failed
from odradek_cli.produce import TOPIC_WITHIN_S, _wait_for_topic


class Slow:
    """A producer that learns of its topic after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def partitions(self, topic: str) -> int:
        await trio.sleep(self.seconds)
        return 1


async def test_a_topic_that_nobody_makes_is_given_up_with_what_to_do(autojump_clock: MockClock) -> None:
    with pytest.raises(Failed, match="`odradek topic create t`"):
        await _wait_for_topic(cast("Producer", Slow(60)), "t")
    assert trio.current_time() == pytest.approx(TOPIC_WITHIN_S)


async def test_a_topic_that_is_being_made_is_waited_for(autojump_clock: MockClock) -> None:
    await _wait_for_topic(cast("Producer", Slow(TOPIC_WITHIN_S / 2)), "t")
