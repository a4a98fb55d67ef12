"""Who is the active controller in this process, while there is one: brokers' requests that come here are for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek_broker.metadata.active import ControllerRuntime


class ControllerSeat:
    """One for a process."""

    def __init__(self) -> None:
        self.controller: ControllerRuntime | None = None
