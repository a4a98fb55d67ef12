"""What brokers and controllers ask of each other is answered to nobody else, be there an authorizer or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_client_quotas import EntityData
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from odradek.protocol.messages.create_delegation_token import (
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.produce import ProduceResponse
from odradek.protocol.registry import response_class
from odradek.protocol.sasl.scram import ScramKeys, salted_password
from odradek_broker.apis import load_apis
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardRequest,
    ForwardResponse,
    TellMetadataRequest,
    TellMetadataResponse,
)
from odradek_broker.server.throttling import Throttling, Usage
from tests.server.served_broker import Peer, Served, produce, serving
from tests.server.test_logins import log_in, plain
from tests.server.test_throttling import set_quota

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
OUTSIDE, INSIDE = 0, 1
OPEN = [{}, {"authorizer.class.name": STANDARD_AUTHORIZER, "allow.everyone.if.no.acl.found": "true"}]
OPEN_TO_ALL = ["no authorizer", "everybody may what no ACL speaks of"]
PRIVATE = {
    20001: (ForwardRequest(api_key=19), ForwardResponse),
    20002: (FollowMetadataRequest(broker_id=7), FollowMetadataResponse),
    20003: (TellMetadataRequest(), TellMetadataResponse),
}


@asynccontextmanager
async def two_listeners(directory: Path, *, inside: str = "SASL_PLAINTEXT", **more: str) -> AsyncIterator[Served]:
    """Clients log in at OUTSIDE, brokers come by INSIDE; no authorizer, where `more` has none."""
    users = f'{PLAIN} required username="broker" password="among us" user_broker="among us" user_alice="wonder";'
    async with serving(
        directory,
        **{
            "listeners": "OUTSIDE://127.0.0.1:0,INSIDE://127.0.0.1:0",
            "listener.security.protocol.map": f"OUTSIDE:SASL_PLAINTEXT,INSIDE:{inside}",
            "inter.broker.listener.name": "INSIDE",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.outside.plain.sasl.jaas.config": users,
            "listener.name.inside.plain.sasl.jaas.config": users,
            "bootstrap.scram.users": "SCRAM-SHA-256=[name=carol,password=sea]",
            **more,
        },
    ) as served:
        yield served


async def come(served: Served, listener: int, user: str = "alice") -> Peer:
    served.port = served._server.addresses[listener][1]
    peer = await served.connect()
    password = "among us" if user == "broker" else "wonder"
    if user:
        assert not (await log_in(peer, plain(user, password))).error_code
    return peer


def keys_of_users(served: Served) -> list[bytes]:
    found: list[ScramKeys] = list(served.broker.image.scram.values())
    assert found
    return [key for each in found for key in (each.stored_key, each.server_key, each.salt)]


async def errors_of_all(peer: Peer) -> dict[str, Any]:
    """What each API of brokers alone is answered."""
    found = {}
    request: Any
    for key, api in load_apis().items():
        if not api.for_brokers:
            continue
        request, response = PRIVATE.get(key) or (api.request(), response_class(key))
        answer = await peer.ask(request, response, api.versions[-1])
        found[api.name] = getattr(answer, "error_code", None), answer
    return found


@pytest.mark.parametrize("listener", [OUTSIDE, INSIDE])
@pytest.mark.parametrize("more", OPEN, ids=OPEN_TO_ALL)
async def test_who_logs_in_as_somebody_else_is_not_answered_by_any_listener(
    tmp_path: Path, listener: int, more: dict[str, str]
) -> None:
    async with two_listeners(tmp_path, **more) as served:
        before = served.broker.image
        answers = await errors_of_all(await come(served, listener))
        assert len(answers) == 8
        for name, (error, answer) in answers.items():
            assert error == ErrorCode.CLUSTER_AUTHORIZATION_FAILED or not any(answer.results), name
            assert not any(key in repr(answer).encode() for key in keys_of_users(served)), name
        told = answers["TellMetadata"][1], answers["FollowMetadata"][1]
        assert not any(each.records or each.cluster_id for each in told)
        assert served.broker.image is before


@pytest.mark.parametrize("listener", [OUTSIDE, INSIDE])
async def test_who_logs_in_as_a_broker_is_answered_by_every_listener(tmp_path: Path, listener: int) -> None:
    async with two_listeners(tmp_path) as served:
        peer = await come(served, listener, "broker")
        told = await peer.ask(TellMetadataRequest(), TellMetadataResponse, 0)
        assert not told.error_code and told.records


@pytest.mark.parametrize("more", OPEN, ids=OPEN_TO_ALL)
async def test_nobody_who_may_do_everything_makes_themselves_a_broker(tmp_path: Path, more: dict[str, str]) -> None:
    secret = {"delegation.token.secret.key": "secret", "super.users": "User:root"}
    async with two_listeners(tmp_path, **more, **secret) as served:
        alice, broker = await come(served, OUTSIDE), await come(served, OUTSIDE, "broker")
        refused, none = ErrorCode.CLUSTER_AUTHORIZATION_FAILED, ErrorCode.NONE
        passwords = AlterUserScramCredentialsRequest([], [password_of(each) for each in ("broker", "root", "dave")])
        for peer, errors in ((alice, {refused, none}), (broker, {none})):
            answer = await peer.ask(passwords, AlterUserScramCredentialsResponse, 0)
            assert {each.user: each.error_code for each in answer.results}["dave"] == none
            assert {each.error_code for each in answer.results} == errors
        gone = AlterUserScramCredentialsRequest([ScramCredentialDeletion("broker", 1)])
        assert (await alice.ask(gone, AlterUserScramCredentialsResponse, 0)).results[0].error_code == refused
        wanted = CreateDelegationTokenRequest(owner_principal_type="User", owner_principal_name="broker")
        token = await alice.ask(wanted, CreateDelegationTokenResponse, 3)
        assert token.error_code == ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED and not token.hmac
        wanted = CreateDelegationTokenRequest(owner_principal_type="User", owner_principal_name="dave")
        assert not (await alice.ask(wanted, CreateDelegationTokenResponse, 3)).error_code


def password_of(user: str) -> ScramCredentialUpsertion:
    return ScramCredentialUpsertion(user, 1, 4096, b"salt", salted_password("SCRAM-SHA-256", "x", b"salt", 4096))


async def test_where_brokers_do_not_log_in_their_own_listener_answers_and_no_other_one(tmp_path: Path) -> None:
    async with two_listeners(tmp_path, inside="PLAINTEXT") as served:
        told = await (await come(served, INSIDE, "")).ask(TellMetadataRequest(), TellMetadataResponse, 0)
        assert not told.error_code and told.records
        told = await (await come(served, OUTSIDE)).ask(TellMetadataRequest(), TellMetadataResponse, 0)
        assert told.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED and not told.records


async def test_a_false_word_of_later_metadata_does_not_end_a_controller(tmp_path: Path) -> None:
    async with two_listeners(tmp_path) as served:
        forged = FollowMetadataRequest(
            1, cluster_id=served.broker.image.cluster_id, seen_offset=1_000_000, seen_epoch=1_000
        )
        for listener in (OUTSIDE, INSIDE):
            answer = await (await come(served, listener)).ask(forged, FollowMetadataResponse, 0)
            assert answer.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        controller = served.broker.active_controller
        assert controller is not None and controller.may_decide() and not controller.journal_over.is_set()


async def test_cve_2018_1288_a_false_follower_is_given_nothing_and_moves_nothing(tmp_path: Path) -> None:
    async with two_listeners(tmp_path) as served:
        peer = await come(served, OUTSIDE)
        made = await peer.ask(CreateTopicsRequest([CreatableTopic("t", 1, 1)]), CreateTopicsResponse, 7)
        assert not made.topics[0].error_code
        wanted = FetchTopic(topic="t", partitions=[FetchPartition(partition=0, partition_max_bytes=1000)])
        for replica, error in ((7, ErrorCode.TOPIC_AUTHORIZATION_FAILED), (-1, ErrorCode.NONE)):
            answer = await peer.ask(FetchRequest(replica_id=replica, topics=[wanted]), FetchResponse, 11)
            assert answer.responses[0].partitions[0].error_code == error


async def test_a_broker_is_held_to_nobodys_quota_and_neither_is_who_has_not_logged_in_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: set[str] = set()
    usage_of = Throttling.usage

    def usage(self: Throttling, request: Any, context: Any, frame_bytes: int) -> Usage | None:
        usage = usage_of(self, request, context, frame_bytes)
        if usage is not None:
            measured.add(f"{usage.user} {type(request).__name__}")
        return usage

    monkeypatch.setattr(Throttling, "usage", usage)
    async with two_listeners(tmp_path) as served:
        broker, alice = await come(served, INSIDE, "broker"), await come(served, OUTSIDE)
        await alice.make_topic()
        await set_quota(alice, "producer_byte_rate", 1000, [EntityData("user", None)])
        throttled = []
        for peer in (broker, alice):
            await peer.send(produce(b"x" * 50_000), 9)
            throttled.append((await peer.receive(ProduceResponse, 9))[1].throttle_time_ms > 0)
        assert throttled == [False, True]
        await come(served, OUTSIDE)
        assert measured == {"alice ProduceRequest"}
