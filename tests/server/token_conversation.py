"""All that brokers are asked about delegation tokens, step by step, and what Apache Kafka 4.4.0 answers.

Who takes part: admin, a super user; alice, who has tokens made; bob, who may renew them; carol, who has nothing to do
with them; nobody, who comes by a listener that asks for no login; and whoever holds alice's token.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, NamedTuple

import trio

from odradek.protocol.acl import Operation, PatternType, Permission, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
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
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.sasl.exchange import Exchange
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange
from tests.server.served_broker import Peer

SECRET = "the cluster's own"
USERS = ("admin", "alice", "bob", "carol")
JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=admin password=admin "
    + " ".join(f'user_{name}="{name}"' for name in USERS)
    + ";"
)
SETTINGS = {
    "delegation.token.secret.key": SECRET,
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:admin",
}
DAY_MS, WEEK_MS = 86_400_000, 7 * 86_400_000
BOB = (CreatableRenewers("User", "bob"),)

Connect = Callable[[bool], Any]
"""To the listener where one has to log in, or to the other one: an awaitable Peer."""


class Said(NamedTuple):
    """One step and its answer."""

    step: str
    answer: str


EXPECTED = [
    Said("nobody creates", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED owner User:ANONYMOUS by User:ANONYMOUS -1 -1 -1"),
    Said("nobody renews", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED -1"),
    Said("nobody ends", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED -1"),
    Said("nobody describes", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED"),
    Said("alice creates", f"NONE owner User:alice by User:alice issued {DAY_MS} {WEEK_MS}"),
    Said("alice creates for a week and more", f"NONE owner User:alice by User:alice issued {DAY_MS} {WEEK_MS}"),
    Said("alice creates for an hour", "NONE owner User:alice by User:alice issued 3600000 3600000"),
    Said("alice creates with a group as renewer", "INVALID_PRINCIPAL_TYPE owner User:alice by User:alice -1 -1 -1"),
    Said("alice creates for carol", "DELEGATION_TOKEN_AUTHORIZATION_FAILED owner User:carol by User:alice -1 -1 -1"),
    Said("alice creates for bob, which she may", f"NONE owner User:bob by User:alice issued {DAY_MS} {WEEK_MS}"),
    Said("admin creates for carol", f"NONE owner User:carol by User:admin issued {DAY_MS} {WEEK_MS}"),
    Said("alice describes all", "alice alice alice bob"),
    Said("alice describes bob's and those that he may renew", "alice alice alice bob"),
    Said("alice describes those of nobody", ""),
    Said("alice describes carol's", ""),
    Said("bob describes all", "alice alice alice bob"),
    Said("bob describes those that concern alice", "alice alice alice bob"),
    Said("carol describes all, of which one was opened to her", "alice carol"),
    Said("admin describes all", "alice alice alice bob carol"),
    Said("bob renews", f"NONE {DAY_MS}"),
    Said("bob renews for a minute", "NONE 60000"),
    Said("carol renews", "DELEGATION_TOKEN_OWNER_MISMATCH 0"),
    Said("admin renews", "DELEGATION_TOKEN_OWNER_MISMATCH 0"),
    Said("alice renews what there is not", "DELEGATION_TOKEN_NOT_FOUND 0"),
    Said("carol ends", "DELEGATION_TOKEN_OWNER_MISMATCH 0"),
    Said("alice ends what there is not", "DELEGATION_TOKEN_NOT_FOUND 0"),
    Said("alice ends in two days", f"NONE {2 * DAY_MS}"),
    Said("alice ends in two weeks", f"NONE {WEEK_MS}"),
    Said("the token logs in by SCRAM-SHA-256", "NONE for a week or less"),
    Said("the token logs in by SCRAM-SHA-512", "NONE for a week or less"),
    Said("the token logs in with another HMAC", "SASL_AUTHENTICATION_FAILED"),
    Said("the token logs in as a user", "SASL_AUTHENTICATION_FAILED"),
    Said("the token's holder creates", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED owner User:alice by User:alice -1 -1 -1"),
    Said("the token's holder renews", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED -1"),
    Said("the token's holder ends", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED -1"),
    Said("the token's holder describes", "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED"),
    Said("bob ends at once", "NONE 0"),
    Said("alice renews what has ended", "DELEGATION_TOKEN_NOT_FOUND 0"),
    Said("the token that has ended logs in", "SASL_AUTHENTICATION_FAILED"),
    Said("alice renews what has expired", "DELEGATION_TOKEN_EXPIRED 0"),
    Said("alice ends later what has expired", "DELEGATION_TOKEN_EXPIRED 0"),
    Said("alice ends at once what has expired", "NONE 0"),
]


def differences(said: list[Said]) -> list[tuple[Said, Said]]:
    """What was said, and what should have been."""
    return [pair for pair in zip(said, EXPECTED, strict=True) if pair[0] != pair[1]]


class Conversation:
    """One run of it."""

    def __init__(self, connect: Connect, now_ms: Callable[[], int]) -> None:
        self._connect = connect
        self._now_ms = now_ms
        self._peers: dict[str, Peer] = {}
        self.said: list[Said] = []

    async def hold(self) -> list[Said]:
        for name in USERS:
            peer, answer = await self._log_in(PlainExchange(name, name))
            assert not answer.error_code, answer
            self._peers[name] = peer
        self._peers["nobody"] = await self._connect(False)
        await self._allow(ResourceType.USER, "User:bob", "User:alice", Operation.CREATE_TOKENS)
        await self._refuse_to("nobody", "nobody")
        token = await self._create()
        await self._allow(ResourceType.DELEGATION_TOKEN, token.token_id, "User:carol", Operation.DESCRIBE)
        await self._describe()
        await self._renew(token)
        await self._use(token)
        await self._end(token)
        return self.said

    async def _create(self) -> CreateDelegationTokenResponse:
        token = await self._made("alice creates", "alice", renewers=BOB)
        await self._made("alice creates for a week and more", "alice", max_lifetime_ms=WEEK_MS + 1, renewers=BOB)
        await self._made("alice creates for an hour", "alice", max_lifetime_ms=3_600_000, renewers=BOB)
        group = (CreatableRenewers("Group", "g"),)
        await self._made("alice creates with a group as renewer", "alice", renewers=group)
        await self._made("alice creates for carol", "alice", owner="carol")
        await self._made("alice creates for bob, which she may", "alice", owner="bob")
        await self._made("admin creates for carol", "admin", owner="carol")
        await self._known(5)
        return token

    async def _describe(self) -> None:
        await self._described("alice describes all", "alice")
        await self._described("alice describes bob's and those that he may renew", "alice", "bob")
        self._note("alice describes those of nobody", await self._owners("alice", []))
        await self._described("alice describes carol's", "alice", "carol")
        await self._described("bob describes all", "bob")
        await self._described("bob describes those that concern alice", "bob", "alice")
        await self._described("carol describes all, of which one was opened to her", "carol")
        await self._described("admin describes all", "admin")

    async def _renew(self, token: CreateDelegationTokenResponse) -> None:
        hmac = bytes(token.hmac)
        await self._renewed("bob renews", "bob", hmac)
        await self._renewed("bob renews for a minute", "bob", hmac, 60_000)
        await self._renewed("carol renews", "carol", hmac)
        await self._renewed("admin renews", "admin", hmac)
        await self._renewed("alice renews what there is not", "alice", b"no such token")
        await self._ended("carol ends", "carol", hmac, -1)
        await self._ended("alice ends what there is not", "alice", b"no such token", -1)
        await self._ended("alice ends in two days", "alice", hmac, 2 * DAY_MS)
        await self._ended("alice ends in two weeks", "alice", hmac, 2 * WEEK_MS, token.issue_timestamp_ms)

    async def _use(self, token: CreateDelegationTokenResponse) -> None:
        password = base64.b64encode(bytes(token.hmac)).decode()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            step = f"the token logs in by {mechanism}"
            holder = await self._tried(step, mechanism, token.token_id, password)
        await self._tried("the token logs in with another HMAC", "SCRAM-SHA-256", token.token_id, "another")
        await self._tried("the token logs in as a user", "SCRAM-SHA-256", token.token_id, password, by_token=False)
        self._peers["holder"] = holder
        await self._refuse_to("the token's holder", "holder")

    async def _end(self, token: CreateDelegationTokenResponse) -> None:
        password = base64.b64encode(bytes(token.hmac)).decode()
        await self._ended("bob ends at once", "bob", bytes(token.hmac), -1)
        await self._known(4)
        await self._renewed("alice renews what has ended", "alice", bytes(token.hmac))
        await self._tried("the token that has ended logs in", "SCRAM-SHA-256", token.token_id, password)
        short = await self._ask("alice", CreateDelegationTokenRequest(max_lifetime_ms=1), CreateDelegationTokenResponse)
        await self._known(5)
        await trio.sleep(max(0, short.expiry_timestamp_ms + 5 - self._now_ms()) / 1000)
        await self._renewed("alice renews what has expired", "alice", bytes(short.hmac))
        await self._ended("alice ends later what has expired", "alice", bytes(short.hmac), 5)
        await self._ended("alice ends at once what has expired", "alice", bytes(short.hmac), -1)

    # ------------------------------------------------------------------------------------------------------- steps

    async def _refuse_to(self, who: str, name: str) -> None:
        await self._made(f"{who} creates", name)
        await self._renewed(f"{who} renews", name, b"x")
        await self._ended(f"{who} ends", name, b"x", 1)
        answer = await self._ask(name, DescribeDelegationTokenRequest(None), DescribeDelegationTokenResponse)
        self._note(f"{who} describes", ErrorCode.from_code(answer.error_code).name)

    async def _made(self, step: str, who: str, owner: str = "", **fields: Any) -> CreateDelegationTokenResponse:
        given: dict[str, Any] = {"owner_principal_type": "User", "owner_principal_name": owner} if owner else {}
        request = CreateDelegationTokenRequest(**given, **{"max_lifetime_ms": -1} | fields)
        made: CreateDelegationTokenResponse = await self._ask(who, request, CreateDelegationTokenResponse)
        issued = made.issue_timestamp_ms
        times = (issued, made.expiry_timestamp_ms, made.max_timestamp_ms)
        told = times if issued < 0 or not issued else ("issued", times[1] - issued, times[2] - issued)
        requester = f"{made.token_requester_principal_type}:{made.token_requester_principal_name}"
        whose = f"owner {made.principal_type}:{made.principal_name} by {requester}"
        self._note(step, " ".join(map(str, (ErrorCode.from_code(made.error_code).name, whose, *told))))
        return made

    async def _renewed(self, step: str, who: str, hmac: bytes, period_ms: int = -1) -> None:
        since = self._now_ms()
        answer = await self._ask(who, RenewDelegationTokenRequest(hmac, period_ms), RenewDelegationTokenResponse)
        self._note_end(step, answer, since)

    async def _ended(self, step: str, who: str, hmac: bytes, period_ms: int, since: int | None = None) -> None:
        since = self._now_ms() if since is None else since
        answer = await self._ask(who, ExpireDelegationTokenRequest(hmac, period_ms), ExpireDelegationTokenResponse)
        self._note_end(step, answer, since)

    def _note_end(
        self, step: str, answer: RenewDelegationTokenResponse | ExpireDelegationTokenResponse, since: int
    ) -> None:
        """Periods to the nearest minute, as a while passes between the question and the answer."""
        left = answer.expiry_timestamp_ms
        told = left if left <= 0 else round((left - since) / 60_000) * 60_000
        self._note(step, f"{ErrorCode.from_code(answer.error_code).name} {told}")

    async def _described(self, step: str, who: str, *owners: str) -> None:
        self._note(step, await self._owners(who, list(owners) or None))

    async def _owners(self, who: str, owners: list[str] | None) -> str:
        named = None if owners is None else [DescribeDelegationTokenOwner("User", name) for name in owners]
        answer = await self._ask(who, DescribeDelegationTokenRequest(named), DescribeDelegationTokenResponse)
        assert not answer.error_code
        return " ".join(sorted(token.principal_name for token in answer.tokens))

    async def _tried(self, step: str, mechanism: str, token_id: str, password: str, *, by_token: bool = True) -> Peer:
        exchange = ScramExchange(mechanism, token_id, password, "nonce", by_token=by_token)
        peer, answer = await self._log_in(exchange)
        lasts = 0 < answer.session_lifetime_ms <= WEEK_MS
        self._note(step, ErrorCode.from_code(answer.error_code).name + (" for a week or less" if lasts else ""))
        return peer

    def _note(self, step: str, answer: str) -> None:
        self.said.append(Said(step, answer))

    # ----------------------------------------------------------------------------------------------------- requests

    async def _ask(self, who: str, request: Any, answer: type[Any]) -> Any:
        with trio.fail_after(30):
            return await self._peers[who].ask(request, answer, request.VERSIONS.stop - 1)

    async def _log_in(self, exchange: Exchange) -> tuple[Peer, SaslAuthenticateResponse]:
        peer: Peer = await self._connect(True)
        assert not (await peer.ask(SaslHandshakeRequest(exchange.mechanism), SaslHandshakeResponse, 1)).error_code
        token: bytes | None = exchange.first()
        while token is not None:
            answer = await peer.ask(SaslAuthenticateRequest(token), SaslAuthenticateResponse, 2)
            if answer.error_code:
                break
            token = exchange.reply(bytes(answer.auth_bytes))
        return peer, answer

    async def _allow(self, kind: int, name: str, who: str, operation: int) -> None:
        acl = AclCreation(kind, name, PatternType.LITERAL, who, "*", operation, Permission.ALLOW)
        answer = await self._ask("admin", CreateAclsRequest([acl]), CreateAclsResponse)
        assert not answer.results[0].error_code, answer

    async def _known(self, count: int) -> None:
        """Wait until the broker has heard of what the controller has decided, so many tokens."""
        with trio.fail_after(30):
            while len((await self._owners("admin", None)).split()) != count:  # noqa: ASYNC110  it tells nobody
                await trio.sleep(0.02)
