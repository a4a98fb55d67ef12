"""Under every single permission every request is answered as Apache Kafka 4.4.0 answers it (kafka_permissions.json)."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from msgspec import structs

from odradek.protocol.acl import Operation, PatternType, Permission, ResourceType
from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import share_fetch
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnResponse
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
from odradek.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.apis import load_apis
from odradek_broker.apis.permissions.asking import Asking
from odradek_broker.apis.permissions.table import PERMISSIONS
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardRequest,
    ForwardResponse,
    TellMetadataRequest,
    TellMetadataResponse,
)
from tests.apis.permission_matrix import Answers, answers, by_request, grant, grants, make_world
from tests.server.served_broker import Served, produce, produce_batch, serving

RECORD = json.loads((Path(__file__).parent / "kafka_permissions.json").read_text("utf-8"))
EVERYTHING = DeleteAclsFilter(ResourceType.ANY, None, PatternType.ANY, None, None, Operation.ANY, Permission.ANY)
TO_ALL = [
    AclCreation(kind, "*", PatternType.LITERAL, "User:*", "*", Operation.ALL, Permission.ALLOW)
    for kind in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
]
ASK_FOR_NONE = {
    *("ApiVersions", "SaslHandshake", "SaslAuthenticate"),
    *("GetTelemetrySubscriptions", "PushTelemetry"),
    *("CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken", "DescribeDelegationToken"),
}
"""Of the last ones, who has not logged in has none; what of others' tokens is asked for is in token_conversation.py."""
REFUSED = ErrorCode.CLUSTER_AUTHORIZATION_FAILED


async def grant_only(served: Served, acls: list[AclCreation]) -> None:
    """As an administrator on another broker would."""
    controller = served.broker.controller
    await controller.ask(DeleteAclsRequest([EVERYTHING]), DeleteAclsResponse, 3)
    made = await controller.ask(CreateAclsRequest(acls), CreateAclsResponse, 3)
    assert not any(result.error_code for result in made.results), made


@pytest.mark.slow
async def test_every_answer_under_every_permission_is_kafkas(tmp_path: Path) -> None:
    found: Answers = {}
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        await grant_only(served, TO_ALL)
        ids = await make_world(await served.connect())
        for name, acls in grants():
            await grant_only(served, acls)
            found[name] = await answers(await served.connect(), ids, load_apis())
    record = by_request(found)
    assert len(record) > 80
    assert {request: outcomes for request, outcomes in record.items() if outcomes != RECORD[request]} == {}


def test_every_api_of_kafkas_that_asks_for_a_permission_is_in_the_record() -> None:
    asked = {request.split()[0] for request in RECORD}
    assert {api.name for key, api in load_apis().items() if key < 1000} - asked == ASK_FOR_NONE


def test_every_api_has_its_row() -> None:
    assert {api.request for api in load_apis().values()} <= PERMISSIONS.keys()


async def test_what_is_between_brokers_only_is_refused_to_everybody_else(tmp_path: Path) -> None:
    heartbeat = BrokerHeartbeatRequest(broker_id=1, broker_epoch=0, want_fence=True)
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        peer, before = await served.connect(), served.broker.image
        forward = ForwardRequest(heartbeat.API_KEY, 0, encode(heartbeat, 0))
        assert (await peer.ask(forward, ForwardResponse, 0)).error_code == REFUSED
        followed = await peer.ask(FollowMetadataRequest(), FollowMetadataResponse, 0)
        assert (followed.error_code, followed.cluster_id, followed.records) == (REFUSED, "", [])
        told = await peer.ask(TellMetadataRequest(), TellMetadataResponse, 0)
        assert (told.error_code, told.cluster_id, told.records) == (REFUSED, "", [])
        asked = await peer.ask(AddPartitionsToTxnRequest(), AddPartitionsToTxnResponse, 4)
        assert asked.error_code == REFUSED
        assert served.broker.image is before
        await grant_only(served, [grant(Operation.CLUSTER_ACTION, ResourceType.CLUSTER)])
        assert (await peer.ask(TellMetadataRequest(), TellMetadataResponse, 0)).error_code == 0


async def test_a_permission_holds_for_a_connection_that_is_open_and_ends_with_the_acl(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        await grant_only(served, TO_ALL)
        peer = await served.connect()
        await peer.make_topic()
        assert (await peer.produce(produce(b"one"))).error_code == 0
        await grant_only(served, [])
        assert (await peer.produce(produce(b"two"))).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
        await grant_only(served, TO_ALL)
        assert (await peer.produce(produce(b"three"))).error_code == 0
        assert await peer.values() == [b"one", b"three"]


async def test_who_wants_no_answer_and_may_not_write_loses_the_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        peer = await served.connect()
        await peer.send(produce(b"x", acks=0), 9)
        assert await peer.is_closed()
    assert "TOPIC_AUTHORIZATION_FAILED in a Produce request that takes no answer" in caplog.text


async def test_nor_is_one_answered_that_may_not_use_its_transactional_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batch = build_batch(
        [Record(timestamp=1, value=b"x")], producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True
    )
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        await grant_only(served, TO_ALL[:1])
        peer = await served.connect()
        await peer.send(structs.replace(produce_batch(batch, acks=0), transactional_id="x"), 9)
        with trio.fail_after(5):
            assert await peer.stream.receive_some() == b""
    assert "TRANSACTIONAL_ID_AUTHORIZATION_FAILED in a Produce request that takes no answer" in caplog.text


async def test_a_topic_is_not_made_for_who_may_not_make_it(tmp_path: Path) -> None:
    wanted = MetadataRequest([MetadataRequestTopic(name=name) for name in ("ta-new", "tb-new")])
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        await grant_only(served, [grant(Operation.DESCRIBE, ResourceType.TOPIC)])
        peer = await served.connect()
        answer = await peer.ask(wanted, MetadataResponse, 9)
        assert {topic.error_code for topic in answer.topics} == {ErrorCode.TOPIC_AUTHORIZATION_FAILED}
        assert served.broker.image.topics == {}
        await grant_only(
            served, [grant(Operation.DESCRIBE, ResourceType.TOPIC), grant(Operation.CREATE, ResourceType.TOPIC)]
        )
        answer = await peer.ask(wanted, MetadataResponse, 9)
        assert {topic.name: topic.error_code for topic in answer.topics} == {
            "ta-new": ErrorCode.NONE,
            "tb-new": ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        }
        assert list(served.broker.image.topics) == ["ta-new"]


REGEX = ConsumerGroupHeartbeatRequest("ga", "m" * 22, 0, rebalance_timeout_ms=60_000, topic_partitions=[])


async def test_an_expression_finds_only_topics_that_its_sender_may_know_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_know, loop, asked_by = Asking.may_know, threading.get_ident(), set[int]()

    def may_know_here(asking: Asking, topic: str) -> bool:
        asked_by.add(threading.get_ident())
        return may_know(asking, topic)

    monkeypatch.setattr(Asking, "may_know", may_know_here)
    settings = {"group_consumer_regex_refresh_interval_ms": "10000"}
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER, **settings) as served:
        await grant_only(served, TO_ALL)
        peer = await served.connect()
        ids = await make_world(peer)
        await grant_only(
            served, [grant(Operation.READ, ResourceType.GROUP), grant(Operation.DESCRIBE, ResourceType.TOPIC)]
        )
        joined = structs.replace(REGEX, group_id="ga", subscribed_topic_regex="t.*")
        answer = await peer.ask(joined, ConsumerGroupHeartbeatResponse, 1)
        assert answer.error_code == 0, answer
        assert answer.assignment is not None
        assert [each.topic_id for each in answer.assignment.topic_partitions] == [ids["ta"]]
        assert asked_by == {loop}, "what is remembered of permissions is the loop's"


async def test_a_share_session_ends_where_the_permission_does(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        await grant_only(served, TO_ALL)
        peer = await served.connect()
        ids = await make_world(peer)
        topics = [share_fetch.FetchTopic(ids[name], [share_fetch.FetchPartition(0)]) for name in ("ta", "tb")]
        allowed = [grant(Operation.READ, ResourceType.GROUP), grant(Operation.READ, ResourceType.TOPIC)]
        await grant_only(served, allowed)
        opened = await peer.ask(_share_fetch(0, topics), share_fetch.ShareFetchResponse, 1)
        assert _errors(opened)[ids["tb"]] == ErrorCode.TOPIC_AUTHORIZATION_FAILED
        assert _errors(opened)[ids["ta"]] != ErrorCode.TOPIC_AUTHORIZATION_FAILED
        await grant_only(served, allowed[:1])
        later = await peer.ask(_share_fetch(1, ()), share_fetch.ShareFetchResponse, 1)
        assert _errors(later) == {ids["ta"]: ErrorCode.TOPIC_AUTHORIZATION_FAILED}


def _share_fetch(epoch: int, topics: Sequence[share_fetch.FetchTopic]) -> share_fetch.ShareFetchRequest:
    return share_fetch.ShareFetchRequest("ga", "m" * 22, epoch, max_records=10, topics=topics)


def _errors(response: share_fetch.ShareFetchResponse) -> dict[bytes, int]:
    assert response.error_code == 0, response
    return {topic.topic_id: topic.partitions[0].error_code for topic in response.responses}
