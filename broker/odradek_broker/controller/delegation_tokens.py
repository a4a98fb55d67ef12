"""Make, renew and end delegation tokens (KIP-48): DelegationTokenControlManager.java, and what 4.4.0 answers.

    no delegation.token.secret.key    DELEGATION_TOKEN_AUTH_DISABLED
    nobody's HMAC                     DELEGATION_TOKEN_NOT_FOUND
    its time is over                  DELEGATION_TOKEN_EXPIRED; it can still be ended at once
    neither owner nor renewer asks    DELEGATION_TOKEN_OWNER_MISMATCH
    a renewer that is no User         INVALID_PRINCIPAL_TYPE; so is an owner, unlike with Kafka, where whoever holds a
                                      token of Group:x logs in as User:x
    more than there is room for       POLICY_VIOLATION

The messages are our own, between brokers and controllers: Kafka's, and who asks, of whom the broker has found out. A
request that comes twice makes two tokens, of which one is not used and expires; renewals and ends change nothing then.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable
from typing import ClassVar

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_delegation_token import (
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from odradek.protocol.messages.expire_delegation_token import (
    ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse,
)
from odradek.protocol.messages.metadata_records import DelegationTokenRecord, RemoveDelegationTokenRecord
from odradek.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest, RenewDelegationTokenResponse
from odradek.protocol.schema import String
from odradek_broker.config import BrokerConfig
from odradek_broker.config.setting import LONG_MAX
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.security.delegation import DelegationToken, hmac_of
from odradek_broker.security.principal import USER, Principal, parse_principal

MAX_TOKENS = 10_000
MAX_OF_A_REQUESTER = 1_000
MAX_NAMES_LENGTH = 4_096
"""Characters of one token's owner and renewers together, each as User:NAME, so that names of nothing count too. Every
broker has all tokens in its memory."""

ID_BYTES = 16
NEVER_MS = -1


class CreateTokenRequest(CreateDelegationTokenRequest, frozen=True):
    API_KEY: ClassVar[int] = 20007
    VERSIONS: ClassVar[range] = range(3, 4)

    requester: String = ""
    """As `User:alice`."""


class RenewTokenRequest(RenewDelegationTokenRequest, frozen=True):
    API_KEY: ClassVar[int] = 20008
    VERSIONS: ClassVar[range] = range(2, 3)

    requester: String = ""


class ExpireTokenRequest(ExpireDelegationTokenRequest, frozen=True):
    API_KEY: ClassVar[int] = 20009
    VERSIONS: ClassVar[range] = range(2, 3)

    requester: String = ""


MESSAGES: dict[int, tuple[type[Struct], type[Struct]]] = {
    CreateTokenRequest.API_KEY: (CreateTokenRequest, CreateDelegationTokenResponse),
    RenewTokenRequest.API_KEY: (RenewTokenRequest, RenewDelegationTokenResponse),
    ExpireTokenRequest.API_KEY: (ExpireTokenRequest, ExpireDelegationTokenResponse),
}
"""Request and response by key."""


def owner_of(request: CreateDelegationTokenRequest, requester: Principal) -> Principal:
    """Whoever asks, unless the request names somebody else."""
    name = request.owner_principal_name
    return Principal(request.owner_principal_type or "", name) if name else requester


def create_token(
    image: MetadataImage,
    request: CreateTokenRequest,
    config: BrokerConfig,
    now_ms: int,
    randbytes: Callable[[int], bytes],
) -> ControllerResult[CreateDelegationTokenResponse]:
    requester = parse_principal(request.requester)
    owner = owner_of(request, requester)
    try:
        secret = _secret(config)
        renewers = tuple(Principal(each.principal_type, each.principal_name) for each in request.renewers)
        _refuse(image, requester, owner, renewers)
    except ApiError as refusal:
        return ControllerResult([], no_token(owner, requester, refusal.error_code))
    max_ms = _later(now_ms, _at_most(request.max_lifetime_ms, config.delegation_token_max_lifetime_ms))
    token = DelegationToken(
        token_id=base64.urlsafe_b64encode(randbytes(ID_BYTES)).rstrip(b"=").decode(),
        owner=owner,
        requester=requester,
        renewers=renewers,
        issued_ms=now_ms,
        max_ms=max_ms,
        expires_ms=min(max_ms, _later(now_ms, config.delegation_token_expiry_time_ms)),
    )
    answer = structs.replace(
        no_token(owner, requester, ErrorCode.NONE),
        issue_timestamp_ms=token.issued_ms,
        expiry_timestamp_ms=token.expires_ms,
        max_timestamp_ms=token.max_ms,
        token_id=token.token_id,
        hmac=hmac_of(secret, token.token_id),
    )
    return ControllerResult([record_of(token)], answer)


def no_token(owner: Principal, requester: Principal, error: ErrorCode) -> CreateDelegationTokenResponse:
    """The answer to whoever does not get the token that they have asked for."""
    return CreateDelegationTokenResponse(
        error_code=error,
        principal_type=owner.type,
        principal_name=owner.name,
        token_requester_principal_type=requester.type,
        token_requester_principal_name=requester.name,
        issue_timestamp_ms=NEVER_MS,
        expiry_timestamp_ms=NEVER_MS,
        max_timestamp_ms=NEVER_MS,
    )


def renew_token(
    image: MetadataImage, request: RenewTokenRequest, config: BrokerConfig, now_ms: int
) -> ControllerResult[RenewDelegationTokenResponse]:
    try:
        token = _find(image, bytes(request.hmac), config)
        if token.has_expired(now_ms):
            raise _refusal(ErrorCode.DELEGATION_TOKEN_EXPIRED)
        _refuse_strangers(token, request.requester)
    except ApiError as refusal:
        return ControllerResult([], RenewDelegationTokenResponse(error_code=refusal.error_code))
    period_ms = _at_most(request.renew_period_ms, config.delegation_token_expiry_time_ms)
    renewed = structs.replace(token, expires_ms=min(token.max_ms, _later(now_ms, period_ms)))
    return ControllerResult([record_of(renewed)], RenewDelegationTokenResponse(expiry_timestamp_ms=renewed.expires_ms))


def expire_token(
    image: MetadataImage, request: ExpireTokenRequest, config: BrokerConfig, now_ms: int
) -> ControllerResult[ExpireDelegationTokenResponse]:
    """At once where the period is negative, else when it is over."""
    record: Struct
    try:
        token = _find(image, bytes(request.hmac), config)
        _refuse_strangers(token, request.requester)
        if request.expiry_time_period_ms < 0:
            expires_ms, record = now_ms, RemoveDelegationTokenRecord(token_id=token.token_id)
        elif token.has_expired(now_ms):
            raise _refusal(ErrorCode.DELEGATION_TOKEN_EXPIRED)
        else:
            expires_ms = min(token.max_ms, _later(now_ms, request.expiry_time_period_ms))
            record = record_of(structs.replace(token, expires_ms=expires_ms))
    except ApiError as refusal:
        return ControllerResult([], ExpireDelegationTokenResponse(error_code=refusal.error_code))
    return ControllerResult([record], ExpireDelegationTokenResponse(expiry_timestamp_ms=expires_ms))


def forget_expired(image: MetadataImage, now_ms: int) -> list[Struct]:
    return [RemoveDelegationTokenRecord(token_id=each.token_id) for each in _expired(image.tokens.values(), now_ms)]


def record_of(token: DelegationToken) -> DelegationTokenRecord:
    return DelegationTokenRecord(
        owner=str(token.owner),
        requester=str(token.requester),
        renewers=[str(each) for each in token.renewers],
        issue_timestamp=token.issued_ms,
        max_timestamp=token.max_ms,
        expiration_timestamp=token.expires_ms,
        token_id=token.token_id,
    )


def token_of(record: DelegationTokenRecord) -> DelegationToken:
    return DelegationToken(
        record.token_id,
        parse_principal(record.owner),
        parse_principal(record.requester),
        tuple(map(parse_principal, record.renewers)),
        record.issue_timestamp,
        record.max_timestamp,
        record.expiration_timestamp,
    )


def _expired(tokens: Iterable[DelegationToken], now_ms: int) -> Iterable[DelegationToken]:
    return (each for each in tokens if each.has_expired(now_ms))


def _secret(config: BrokerConfig) -> str:
    """Raises ApiError."""
    if not config.delegation_token_secret:
        raise _refusal(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)
    return config.delegation_token_secret


def _find(image: MetadataImage, shown: bytes, config: BrokerConfig) -> DelegationToken:
    """Of all tokens the one with that HMAC. Raises ApiError."""
    secret = _secret(config)
    for token in image.tokens.values():
        if hmac.compare_digest(hmac_of(secret, token.token_id), shown):
            return token
    raise _refusal(ErrorCode.DELEGATION_TOKEN_NOT_FOUND)


def _refuse_strangers(token: DelegationToken, requester: str) -> None:
    """Raises ApiError."""
    if not token.is_in_the_hands_of(parse_principal(requester)):
        raise _refusal(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH)


def _refuse(image: MetadataImage, requester: Principal, owner: Principal, renewers: tuple[Principal, ...]) -> None:
    """Raises ApiError."""
    if any(each.type != USER for each in (owner, *renewers)):
        raise _refusal(ErrorCode.INVALID_PRINCIPAL_TYPE)
    if sum(len(str(each)) for each in (owner, *renewers)) > MAX_NAMES_LENGTH or len(image.tokens) >= MAX_TOKENS:
        raise _refusal(ErrorCode.POLICY_VIOLATION)
    if sum(each.requester == requester for each in image.tokens.values()) >= MAX_OF_A_REQUESTER:
        raise _refusal(ErrorCode.POLICY_VIOLATION)


def _refusal(error: ErrorCode) -> ApiError:
    return ApiError(error, error.sentence)


def _at_most(asked_ms: int, most_ms: int) -> int:
    """What was asked for, if anything was."""
    return min(asked_ms, most_ms) if asked_ms > 0 else most_ms


def _later(now_ms: int, period_ms: int) -> int:
    return min(now_ms + period_ms, LONG_MAX)
