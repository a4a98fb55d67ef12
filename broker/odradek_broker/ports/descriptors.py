"""How many files and connections this process may have open together, and who gets how many of them.

A process that has none left can neither open a log nor let anybody in. So the limit is raised as far as the system lets
us, when the process begins, and divided beforehand: what is asked for beyond its part is refused with a reason.
"""

from __future__ import annotations

import sys

from msgspec import Struct

if sys.platform != "win32":
    import resource

RESERVED = 128
"""For all that is neither a connection of a client nor a partition's log: the journal, files that are written and
renamed, sealed segments that are read or rewritten, connections to other nodes, the system's own."""

FILES_OF_A_LOG = 2
"""Its active segment, and one of the sealed ones, of which it keeps up to four open while they are read."""

MOST = 1 << 20
"""More than that nobody asks for, and systems refuse it."""


class Descriptors(Struct, frozen=True):
    """How many of each there may be. None: there is no limit that is known."""

    connections: int | None = None
    logs: int | None = None


def divide(limit: int) -> Descriptors:
    """Half of what is not reserved for each of the two."""
    part = max((limit - RESERVED) // 2, 1)
    return Descriptors(connections=part, logs=max(part // FILES_OF_A_LOG, 1))


def claim() -> Descriptors:
    """Raise the limit of this process as far as that goes, and divide it."""
    if sys.platform == "win32":
        return Descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    while soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            wanted //= 2  # macOS has a limit of its own below that, and says no number
    return Descriptors() if soft == resource.RLIM_INFINITY else divide(soft)
