"""A node whose clocks are wrong, and a machine on which that cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from odradek.security import NO_SECURITY
from odradek.testing.chaos import faults
from odradek.testing.chaos.drifting_clock import JUMP_S, libfaketime, wrong_clock
from odradek.testing.chaos.faults import Nemesis

CLUSTER: Any = SimpleNamespace(brokers=[1, 2, 3], etcd=[], security=NO_SECURITY)
LOOKS = "import time; print(time.time() - {0}, time.monotonic() - {1})"


def nemesis(*kinds: str) -> Nemesis:
    return Nemesis(CLUSTER, [("t", 0)], 0, list(kinds), lambda kind, node, healed: None)


def test_where_no_clock_can_be_made_wrong_that_is_said_and_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(faults, "libfaketime", lambda: None)
    assert "clock-drift" not in nemesis()._kinds
    assert caplog.messages == ["clock-drift is left out: libfaketime is not installed here"]
    with pytest.raises(ValueError, match="clock-drift needs libfaketime"):
        nemesis("clock-drift")


def test_where_it_can_be_it_is_one_of_the_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "libfaketime", lambda: "/lib/libfaketimeMT.so.1")
    assert "clock-drift" in nemesis()._kinds


@pytest.mark.skipif(libfaketime() is None, reason="libfaketime is not installed")
def test_what_jumps_is_the_clock_on_the_wall_alone() -> None:
    library = libfaketime()
    assert library is not None
    jumps = (wrong_clock(library, Random(seed)) for seed in range(100))
    what, environment = next((what, found) for what, found in jumps if what.endswith(" s"))
    before_s = [float(each) for each in _looked({}, 0, 0)]
    wall_s, steady_s = _looked(environment, *before_s)
    jump_s = int(what.removesuffix(" s"))
    assert 0 < abs(jump_s) <= JUMP_S
    assert abs(wall_s - jump_s - steady_s) < abs(jump_s) / 2 + 1
    assert steady_s >= 0


def _looked(environment: dict[str, str], *since: float) -> list[float]:
    """Both clocks, as a process sees them."""
    command = [sys.executable, "-c", LOOKS.format(*since)]
    said = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return [float(each) for each in said.stdout.split()]
