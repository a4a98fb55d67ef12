"""Delegation tokens (KIP-48): by which a program acts for somebody without having their password."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.messages.create_delegation_token import (
    CreatableRenewers,
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from odradek.protocol.messages.describe_delegation_token import (
    DescribeDelegationTokenOwner,
    DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse,
)
from odradek.protocol.messages.expire_delegation_token import (
    ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse,
)
from odradek.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest, RenewDelegationTokenResponse

USER = "User"
BY_DEFAULT_MS = NOW_MS = -1


class DelegationToken(Struct, frozen=True):
    """Its id is the user name to log in with, and `password` the password. Times are in ms since 1970."""

    token_id: str
    hmac: bytes
    owner: str
    """As whom its holder acts."""
    requester: str
    renewers: list[str]
    issued_ms: int
    expires_ms: int
    max_ms: int
    """Beyond this it cannot be renewed."""

    @property
    def password(self) -> str:
        return base64.b64encode(self.hmac).decode()

    def __repr__(self) -> str:
        return f"DelegationToken({self.token_id!r}, owner={self.owner!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("token_id", self.token_id), ("owner", self.owner)]


class TokenAdmin(AdminBase):
    """All methods raise BrokerError: DELEGATION_TOKEN_AUTH_DISABLED where there are no tokens, and
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED for whoever has not logged in, or has done so by a token.
    """

    async def create_delegation_token(
        self, *, owner: str | None = None, renewers: Sequence[str] = (), max_lifetime_ms: int | None = None
    ) -> DelegationToken:
        """For us, or for a user that we may have tokens made for. Its life is as long as brokers allow, or shorter."""
        given = {"owner_principal_type": USER, "owner_principal_name": owner} if owner else {}
        request = CreateDelegationTokenRequest(
            renewers=[CreatableRenewers(USER, name) for name in renewers],
            max_lifetime_ms=BY_DEFAULT_MS if max_lifetime_ms is None else max_lifetime_ms,
            **given,
        )
        made = await self._cluster.ask_any(request, CreateDelegationTokenResponse)
        raise_for(made.error_code, owner)
        return DelegationToken(
            made.token_id,
            bytes(made.hmac),
            made.principal_name,
            made.token_requester_principal_name or made.principal_name,
            list(renewers),
            made.issue_timestamp_ms,
            made.expiry_timestamp_ms,
            made.max_timestamp_ms,
        )

    async def delegation_tokens(self, owners: Sequence[str] | None = None) -> list[DelegationToken]:
        """Those that we may know of: all of them, or what these users own or may renew."""
        named = None if owners is None else [DescribeDelegationTokenOwner(USER, name) for name in owners]
        answer = await self._cluster.ask_any(DescribeDelegationTokenRequest(named), DescribeDelegationTokenResponse)
        raise_for(answer.error_code)
        return [
            DelegationToken(
                each.token_id,
                bytes(each.hmac),
                each.principal_name,
                each.token_requester_principal_name or each.principal_name,
                [renewer.principal_name for renewer in each.renewers],
                each.issue_timestamp,
                each.expiry_timestamp,
                each.max_timestamp,
            )
            for each in answer.tokens
        ]

    async def renew_delegation_token(self, hmac: bytes, period_ms: int | None = None) -> int:
        """Return when it expires now: after so long, or as brokers have it."""
        request = RenewDelegationTokenRequest(hmac, BY_DEFAULT_MS if period_ms is None else period_ms)
        answer = await self._cluster.ask_any(request, RenewDelegationTokenResponse)
        raise_for(answer.error_code)
        return answer.expiry_timestamp_ms

    async def expire_delegation_token(self, hmac: bytes, period_ms: int | None = None) -> int:
        """End it, now or after so long, and return when that is. Who is logged in by it stays so until its old end."""
        request = ExpireDelegationTokenRequest(hmac, NOW_MS if period_ms is None else period_ms)
        answer = await self._cluster.ask_any(request, ExpireDelegationTokenResponse)
        raise_for(answer.error_code)
        return answer.expiry_timestamp_ms
