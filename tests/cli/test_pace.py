"""What is said of a long input while it goes on."""

from __future__ import annotations

import io

import pytest

from odradek_cli.display import Progress
from odradek_cli.pace import Pace


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rate_share_and_time_left_are_shown_and_at_the_end_one_line_stays() -> None:
    now = [0.0]
    terminal = Terminal()
    with Pace(Progress(terminal), 10_000_000, lambda: now[0]) as pace:
        pace.add(10, 1000)
        assert terminal.getvalue() == ""  # it may be over in no time
        now[0] = 2.0
        pace.add(990, 2_499_000)
        assert terminal.getvalue().endswith("1,000 records, 2.5 MB, 500/s, 1.2 MB/s, 25%, 0:06 left")
        shown = terminal.getvalue()
        now[0] = 2.1
        pace.add(1, 1)
        assert terminal.getvalue() == shown  # not again so soon
        now[0] = 4.0
    assert terminal.getvalue().endswith("\x1b[K1,001 records, 2.5 MB in 4.0 s, 250/s, 625.0 kB/s\n")


def test_without_a_terminal_nothing_is_said() -> None:
    stream = io.StringIO()
    with Pace(Progress(stream), None, iter(range(100)).__next__) as pace:
        pace.add(1, 1)
    assert stream.getvalue() == ""


def test_what_fails_leaves_no_line_that_sounds_like_success() -> None:
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt), Pace(Progress(terminal), None, iter(range(100)).__next__) as pace:
        pace.add(1, 1)
        raise KeyboardInterrupt
    assert terminal.getvalue().endswith("\r\x1b[K")
