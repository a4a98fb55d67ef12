"""A log of a replica that nobody is served from yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from odradek_broker.log.log import Log

ALL = 2**63 - 1


class Waiting(Struct):
    """One log."""

    topic_id: bytes
    log: Log | None
    """None where it cannot be opened."""
    is_damaged: bool = False
    """It may lack what was acknowledged, and the controller has not been told."""
    sound_up_to: int = ALL
    """Where it is damaged: what lies behind this offset may lack something in its midst."""
    is_told: bool = False
    """The controller has been told while this broker was registered: the metadata is yet to say so."""
