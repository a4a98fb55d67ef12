"""What is said when a node's state has changed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from odradek.testing.node import Node, State
from odradek_cli.node_watch import look_at


class Pretended(Node):
    """One whose state is what the test says."""

    def __init__(self) -> None:
        super().__init__("broker-1", Path("/data/broker-1"), "127.0.0.1", 1, {})
        self.is_in = State.UP
        self.exit_code: int | None = None

    @property
    def state(self) -> State:
        return self.is_in

    def take_crash(self) -> int | None:
        return self.exit_code


@pytest.mark.parametrize(
    ("state", "exit_code", "said"),
    [
        (State.UP, None, []),
        (State.PAUSED, None, ["broker-1 is paused"]),
        (State.DOWN, None, ["broker-1 is down"]),
        (State.DOWN, -9, ["broker-1 has ended by itself, by SIGKILL; see /data/broker-1/server.log; "]),
        (State.DOWN, 1, ["broker-1 has ended by itself, with exit code 1; see /data/broker-1/server.log; "]),
    ],
)
def test_a_change_is_said_once(
    caplog: pytest.LogCaptureFixture, state: State, exit_code: int | None, said: list[str]
) -> None:
    node, before = Pretended(), {"broker-1": State.UP}
    node.is_in, node.exit_code = state, exit_code
    with caplog.at_level(logging.INFO):
        look_at(node, before)
        look_at(node, before)
    assert [message.partition("`")[0] for message in caplog.messages] == said


def test_a_node_that_comes_back_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        look_at(Pretended(), {"broker-1": State.DOWN})
    assert caplog.messages == ["broker-1 is up"]
