"""How much clients may ask for: list and set quotas."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    AlterClientQuotasResponse,
    EntityData,
    OpData,
)
from odradek.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest, DescribeClientQuotasResponse

USER, CLIENT_ID, IP = "user", "client-id", "ip"


class Quota(Struct, frozen=True):
    """What one entity is held to."""

    entity: Mapping[str, str | None]
    """By type, `user`, `client-id` or `ip`; None for all that have no quota of their own."""
    limits: Mapping[str, float]
    """By Kafka's names, as producer_byte_rate."""


class QuotaAdmin(AdminBase):
    """Quotas of users, client ids and addresses."""

    async def list_quotas(self) -> list[Quota]:
        answer = await self._cluster.ask_any(DescribeClientQuotasRequest(), DescribeClientQuotasResponse)
        raise_for(answer.error_code, answer.error_message or "the list of quotas")
        return [
            Quota(
                {part.entity_type: part.entity_name for part in entry.entity},
                {value.key: value.value for value in entry.values},
            )
            for entry in answer.entries or ()
        ]

    async def alter_quota(self, entity: Mapping[str, str | None], limits: Mapping[str, float | None]) -> None:
        """Set limits, or take them back with None; others stay. Raises InvalidRequest."""
        parts = [EntityData(kind, name) for kind, name in entity.items()]
        ops = [OpData(key, value or 0.0, value is None) for key, value in limits.items()]
        entry = AlterClientQuotasRequestEntryData(parts, ops)
        answer = await self._cluster.ask_any(AlterClientQuotasRequest([entry]), AlterClientQuotasResponse)
        for result in answer.entries:
            raise_for(result.error_code, result.error_message or "the quota")
