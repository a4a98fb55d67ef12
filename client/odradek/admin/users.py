"""Users that log in by SCRAM (KIP-554). The password itself is sent to nobody: its keys are made here."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

import trio
from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from odradek.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    UserName,
)
from odradek.protocol.sasl.scram import LEAST_ITERATIONS, NUMBERS, salted_password

ScramMechanism: TypeAlias = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]
SALT_BYTES = 24

_numbers = {mechanism: number for number, mechanism in NUMBERS.items()}


class ScramCredential(Struct, frozen=True):
    """That somebody can log in so; of the password nothing is told."""

    mechanism: str
    iterations: int


class UserAdmin(AdminBase):
    async def set_password(
        self,
        user: str,
        password: str,
        mechanism: ScramMechanism | None = None,
        *,
        iterations: int = LEAST_ITERATIONS,
    ) -> None:
        """Make a user, or change the password of one that there is: for each mechanism by which the user logs in, so
        that no old one goes on; a new user logs in by SCRAM-SHA-512. With `mechanism` for that one only.

        Raises BrokerError.
        """
        known = [each.mechanism for each in await self._credentials_of(user)] if mechanism is None else [mechanism]
        surroundings, changes = self.config.surroundings, []
        for each in known or [NUMBERS[2]]:
            salt = surroundings.secret_bytes(SALT_BYTES)
            salted = await trio.to_thread.run_sync(partial(salted_password, each, password, salt, iterations))
            changes.append(ScramCredentialUpsertion(user, _numbers[each], iterations, salt, salted))
        await self._alter_users(AlterUserScramCredentialsRequest(upsertions=changes))

    async def remove_user(self, user: str) -> None:
        """By every mechanism. Raises BrokerError: RESOURCE_NOT_FOUND where there is no such user."""
        known = await self._credentials_of(user) or [ScramCredential(NUMBERS[1], 0)]
        changes = [ScramCredentialDeletion(user, _numbers[each.mechanism]) for each in known]
        await self._alter_users(AlterUserScramCredentialsRequest(deletions=changes))

    async def users(self) -> dict[str, list[ScramCredential]]:
        """Who can log in by SCRAM, and how."""
        return await self._described(None)

    async def _credentials_of(self, user: str) -> list[ScramCredential]:
        """None where there is no such user."""
        return (await self._described([UserName(user)])).get(user, [])

    async def _described(self, named: list[UserName] | None) -> dict[str, list[ScramCredential]]:
        request = DescribeUserScramCredentialsRequest(named)
        answer = await self._cluster.ask_any(request, DescribeUserScramCredentialsResponse)
        raise_for(answer.error_code, answer.error_message)
        return {
            each.user: [ScramCredential(NUMBERS[one.mechanism], one.iterations) for one in each.credential_infos]
            for each in answer.results
            if each.error_code != ErrorCode.RESOURCE_NOT_FOUND
        }

    async def _alter_users(self, request: AlterUserScramCredentialsRequest) -> None:
        answer = await self._cluster.ask_any(request, AlterUserScramCredentialsResponse)
        for result in answer.results:
            raise_for(result.error_code, result.error_message or result.user)
