"""The active controller in this process, as its broker asks it: without a connection, and with no lease to lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio
from msgspec import Struct

from odradek_broker.metadata.client import ControllerClient

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage
    from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.metadata.active import ControllerRuntime

R = TypeVar("R", bound=Struct)


class LocalController(ControllerClient):
    """Made for one broker."""

    def __init__(self, runtime: ControllerRuntime) -> None:
        super().__init__(runtime.config)
        self.runtime = runtime
        self._journal_over = runtime.journal_over

    @property
    def image(self) -> MetadataImage:
        return self.runtime.image

    @property
    def metadata_epoch(self) -> int:
        return self.runtime.metadata_epoch

    @property
    def has_lease(self) -> bool:
        return not self._journal_over.is_set()

    async def ask(self, request: ApiMessage, answer: type[R], version: int) -> R:
        return await self.runtime.ask(request, answer, version)

    async def join(self, request: BrokerRegistrationRequest) -> None:
        """Let our broker in, in one step. Raises OSError."""
        response = await self.runtime.let_in(request)
        self.broker_epoch = response.broker_epoch

    async def leave(self) -> None:
        """It goes with its broker, so nobody could make others leaders."""
        await trio.lowlevel.checkpoint()

    def lead_no_more(self) -> None:
        """Nobody else can come to lead what its broker leads."""

    def close(self) -> None:
        self.runtime.close()
