"""A node whose clocks go wrong, by libfaketime, where that is installed (Debian: apt-get install faketime).

A process keeps the clocks that it was started with, so the node is started anew for it, and once more afterwards.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from random import Random

PLACES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)
DRIFT = 0.05
"""At most so much slower or faster. A lease has a tenth to spare, for two clocks."""
JUMP_S = 600
"""At most so far ahead or back. A broker refuses records that are an hour ahead of its clock."""


@cache
def libfaketime() -> str | None:
    """Where it is on this machine, if it is."""
    if sys.platform != "linux":
        return None
    found = (path for place in PLACES for path in Path("/").glob(place.removeprefix("/")))
    return next((str(path) for path in found), None)


def wrong_clock(library: str, random: Random) -> tuple[str, dict[str, str]]:
    """What is wrong, and what the process is started with: all its clocks drift, or the one on the wall has jumped."""
    if random.random() < 0.5:
        rate = 1 + random.uniform(-DRIFT, DRIFT)
        return f"x{rate:.3f}", {"LD_PRELOAD": library, "FAKETIME": f"+0 x{rate:.3f}"}
    jump_s = random.randint(-JUMP_S, JUMP_S)
    is_steady = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return f"{jump_s:+d} s", {"LD_PRELOAD": library, "FAKETIME": f"{jump_s:+d}s", **is_steady}
