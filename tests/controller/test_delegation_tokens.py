"""Delegation tokens as the controller keeps them: who may do what with which, until when; replay and snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_delegation_token import CreatableRenewers, CreateDelegationTokenResponse
from odradek_broker.config import load_broker_config
from odradek_broker.controller import delegation_tokens
from odradek_broker.controller.delegation_tokens import (
    CreateTokenRequest,
    ExpireTokenRequest,
    RenewTokenRequest,
    create_token,
    expire_token,
    forget_expired,
    renew_token,
)
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.snapshot import records_of
from odradek_broker.security.delegation import hmac_of

DAY, WEEK, NOW = 86_400_000, 7 * 86_400_000, 1_700_000_000_000
SECRET = {"delegation.token.secret.key": "the cluster's"}
CONFIG = load_broker_config(overrides=SECRET).config
EMPTY = MetadataImage(cluster_id="c")
ALICE, BOB, CAROL = "User:alice", "User:bob", "User:carol"
_random = Random(1)


def make(
    image: MetadataImage = EMPTY,
    requester: str = ALICE,
    *,
    owner: str = "",
    owner_type: str = "User",
    renewers: Sequence[CreatableRenewers] = (CreatableRenewers("User", "bob"),),
    lifetime_ms: int = -1,
) -> tuple[MetadataImage, CreateDelegationTokenResponse]:
    request = CreateTokenRequest(owner_type, owner, renewers, lifetime_ms, requester)
    result = create_token(image, request, CONFIG, NOW, _random.randbytes)
    return replay(image, result.records), result.response


def renew(image: MetadataImage, hmac: bytes, who: str, now_ms: int = NOW, period_ms: int = -1) -> tuple[int, int]:
    """The error and the new end; what it comes to is the image's by then."""
    result = renew_token(image, RenewTokenRequest(hmac, period_ms, who), CONFIG, now_ms)
    assert bool(result.records) is not bool(result.response.error_code)
    return result.response.error_code, result.response.expiry_timestamp_ms


def expire(
    image: MetadataImage, hmac: bytes, who: str, period_ms: int, now_ms: int = NOW
) -> tuple[int, int, MetadataImage]:
    result = expire_token(image, ExpireTokenRequest(hmac, period_ms, who), CONFIG, now_ms)
    after = replay(image, result.records)
    return result.response.error_code, result.response.expiry_timestamp_ms, after


def test_a_token_lives_for_a_day_and_at_most_a_week_and_a_snapshot_has_it() -> None:
    image, made = make()
    assert (made.error_code, made.principal_type, made.principal_name) == (0, "User", "alice")
    assert (made.issue_timestamp_ms, made.expiry_timestamp_ms, made.max_timestamp_ms) == (NOW, NOW + DAY, NOW + WEEK)
    assert bytes(made.hmac) == hmac_of("the cluster's", made.token_id) and len(made.hmac) == 64
    assert replay(EMPTY, records_of(image)).tokens == image.tokens
    assert list(image.tokens) == [made.token_id]
    assert all("cluster" not in repr(record) for record in records_of(image))


def test_a_shorter_life_may_be_asked_for_and_a_longer_one_is_not_given() -> None:
    for asked, given in ((1_000, 1_000), (WEEK + 1, WEEK), (0, WEEK), (-1, WEEK), (2**63 - 1, WEEK)):
        _, made = make(lifetime_ms=asked)
        assert made.max_timestamp_ms == NOW + given
        assert made.expiry_timestamp_ms == NOW + min(given, DAY)


@pytest.mark.parametrize(("who", "error"), [(ALICE, 0), (BOB, 0), (CAROL, ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH)])
def test_owner_and_renewers_alone_may_renew_and_end_it(who: str, error: int) -> None:
    image, made = make()
    assert renew(image, made.hmac, who)[0] == error
    assert expire(image, made.hmac, who, 1)[0] == error
    assert expire(image, made.hmac, who, -1)[0] == error


def test_who_asked_for_somebody_elses_token_can_do_nothing_with_it() -> None:
    image, made = make(requester=CAROL, owner="alice")
    assert (made.principal_name, made.token_requester_principal_name) == ("alice", "carol")
    assert renew(image, made.hmac, CAROL)[0] == ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH
    assert renew(image, made.hmac, ALICE)[0] == 0


def test_a_renewal_is_for_a_day_or_less_and_never_beyond_the_week() -> None:
    image, made = make()
    assert renew(image, made.hmac, ALICE, NOW + 5, 1_000) == (0, NOW + 1_005)
    assert renew(image, made.hmac, ALICE, NOW + 5, 2 * DAY) == (0, NOW + 5 + DAY)
    last = replay(image, renew_token(image, RenewTokenRequest(made.hmac, -1, ALICE), CONFIG, NOW + DAY).records)
    assert last.tokens[made.token_id].expires_ms == NOW + 2 * DAY
    _, short = make(lifetime_ms=1_000)
    assert short.expiry_timestamp_ms == short.max_timestamp_ms


def test_the_end_of_a_token_can_be_brought_forward_and_put_off_to_its_week() -> None:
    image, made = make()
    error, ends_ms, after = expire(image, made.hmac, ALICE, 60_000)
    assert (error, ends_ms, after.tokens[made.token_id].expires_ms) == (0, NOW + 60_000, NOW + 60_000)
    assert expire(image, made.hmac, ALICE, 2**63 - 1)[1] == NOW + WEEK
    error, ends_ms, after = expire(image, made.hmac, ALICE, -1)
    assert (error, ends_ms, dict(after.tokens)) == (0, NOW, {})
    assert renew(after, made.hmac, ALICE)[0] == ErrorCode.DELEGATION_TOKEN_NOT_FOUND


def test_what_has_expired_can_only_be_ended_until_it_is_forgotten() -> None:
    image, made = make()
    later = NOW + DAY + 1
    assert renew(image, made.hmac, ALICE, later)[0] == ErrorCode.DELEGATION_TOKEN_EXPIRED
    assert renew(image, made.hmac, CAROL, later)[0] == ErrorCode.DELEGATION_TOKEN_EXPIRED
    assert expire(image, made.hmac, ALICE, 5, later)[0] == ErrorCode.DELEGATION_TOKEN_EXPIRED
    assert expire(image, made.hmac, CAROL, 5, later)[0] == ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH
    assert expire(image, made.hmac, ALICE, -1, later)[0] == 0
    assert forget_expired(image, later - 1) == []
    assert not replay(image, forget_expired(image, later)).tokens


def test_where_there_is_no_secret_there_are_no_tokens() -> None:
    for off in (load_broker_config().config, load_broker_config(overrides=dict.fromkeys(SECRET, "")).config):
        made = create_token(EMPTY, CreateTokenRequest(requester=ALICE), off, NOW, _random.randbytes)
        assert (made.records, made.response.error_code) == ([], ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)
        renewed = renew_token(EMPTY, RenewTokenRequest(b"x", 1, ALICE), off, NOW)
        ended = expire_token(EMPTY, ExpireTokenRequest(b"x", 1, ALICE), off, NOW)
        assert {renewed.response.error_code, ended.response.error_code} == {ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"renewers": [CreatableRenewers("Group", "g")]}, ErrorCode.INVALID_PRINCIPAL_TYPE),
        ({"owner": "alice", "owner_type": "Group"}, ErrorCode.INVALID_PRINCIPAL_TYPE),
        ({"renewers": [CreatableRenewers("User", "x" * 4_096)]}, ErrorCode.POLICY_VIOLATION),
        ({"renewers": [CreatableRenewers("User", "")] * 1_000}, ErrorCode.POLICY_VIOLATION),
    ],
)
def test_what_no_token_may_have_is_refused(changes: dict[str, object], error: int) -> None:
    image, made = make(**changes)  # type: ignore[arg-type]
    assert (made.error_code, made.token_id, dict(image.tokens)) == (error, "", {})


def test_no_more_tokens_than_that_are_kept_of_all_and_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation_tokens, "MAX_TOKENS", 3)
    monkeypatch.setattr(delegation_tokens, "MAX_OF_A_REQUESTER", 2)
    image = EMPTY
    for who, error in ((ALICE, 0), (ALICE, 0), (ALICE, ErrorCode.POLICY_VIOLATION), (BOB, 0), (CAROL, -1)):
        image, made = make(image, who)
        assert made.error_code == (ErrorCode.POLICY_VIOLATION if error == -1 else error), who
    assert len(image.tokens) == 3


def test_a_token_costs_no_copy_of_what_it_does_not_change() -> None:
    image, _ = make()
    after = replay(image, list[Struct]())
    assert after.tokens is image.tokens and after.scram is image.scram
