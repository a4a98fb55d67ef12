"""How a controller knows what is asked now from what has been on its way for long.

A request may arrive when its sender has long given up on it: out of a buffer behind a cut that has healed, over a
connection that nobody reads any more. By then it may have been sent again over another one, been carried out, and
undone by somebody: a topic deleted, and made again with records in it. So what is forwarded carries the newest stamp
that the sender has had from a controller. A stamp says by the controller's own clock when it was given, so no clocks
are compared; where it is too old, or another controller's, nothing is done, and the sender, if there is still one, asks
again with the stamp that it gets with that answer.

Invariant
    What a sender has given up is not carried out after that: a stamp is older than the request that carries it, and is
    no longer good once the sender's patience is over, less what clocks may drift.
"""

from __future__ import annotations

from odradek_broker.controller.heartbeats import DRIFT_PERCENT

TERM_BYTES, TIME_BYTES = 8, 8


class Stamps:
    """Of one controller, for one time of being active."""

    def __init__(self, term: bytes) -> None:
        """`term`: TERM_BYTES by chance, which no other controller has had."""
        assert len(term) == TERM_BYTES
        self._term = term

    def stamp(self, now_ms: int) -> bytes:
        return self._term + now_ms.to_bytes(TIME_BYTES, "big")

    def is_good(self, stamp: bytes, patience_ms: int, now_ms: int) -> bool:
        """For a request whose sender waits for its answer for so long, by its own clock."""
        if len(stamp) != TERM_BYTES + TIME_BYTES or stamp[:TERM_BYTES] != self._term:
            return False
        longest_ms = (patience_ms - 1) * (100 - DRIFT_PERCENT) // (100 + DRIFT_PERCENT) - 1
        return now_ms - int.from_bytes(stamp[TERM_BYTES:], "big") <= longest_ms
