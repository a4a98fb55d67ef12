"""What clients ask though there is nothing to tell them: Apache Kafka 4.4.0's error codes."""

from __future__ import annotations

import os
from types import ModuleType

import pytest
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.create_delegation_token import CreateDelegationTokenRequest
from odradek.protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from odradek.protocol.messages.describe_delegation_token import DescribeDelegationTokenRequest
from odradek.protocol.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest
from odradek.protocol.messages.expire_delegation_token import ExpireDelegationTokenRequest
from odradek.protocol.messages.get_telemetry_subscriptions import GetTelemetrySubscriptionsRequest
from odradek.protocol.messages.push_telemetry import PushTelemetryRequest
from odradek.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.apis import (
    api_17_sasl_handshake,
    api_18_api_versions,
    api_34_alter_replica_log_dirs,
    api_36_sasl_authenticate,
    api_38_create_delegation_token,
    api_39_renew_delegation_token,
    api_40_expire_delegation_token,
    api_41_describe_delegation_token,
    api_48_describe_client_quotas,
    api_50_describe_user_scram_credentials,
    api_64_unregister_broker,
    api_71_get_telemetry_subscriptions,
    api_72_push_telemetry,
)
from odradek_broker.config import BrokerConfig
from tests.apis.small_broker import SmallBroker

HERE = os.path.abspath(BrokerConfig().data_directory)


@pytest.mark.parametrize(
    ("api", "request_", "error"),
    [
        (api_17_sasl_handshake, SaslHandshakeRequest("PLAIN"), ErrorCode.ILLEGAL_SASL_STATE),
        (api_36_sasl_authenticate, SaslAuthenticateRequest(b"\0user\0secret"), ErrorCode.ILLEGAL_SASL_STATE),
        (
            api_38_create_delegation_token,
            CreateDelegationTokenRequest(),
            ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        ),
        (
            api_39_renew_delegation_token,
            RenewDelegationTokenRequest(b"x"),
            ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        ),
        (
            api_40_expire_delegation_token,
            ExpireDelegationTokenRequest(b"x"),
            ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        ),
        (
            api_41_describe_delegation_token,
            DescribeDelegationTokenRequest(),
            ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        ),
        (api_48_describe_client_quotas, DescribeClientQuotasRequest([ComponentData("user", 1, None)]), ErrorCode.NONE),
        (
            api_48_describe_client_quotas,
            DescribeClientQuotasRequest([ComponentData("moon", 1, None)]),
            ErrorCode.UNSUPPORTED_VERSION,
        ),
        (api_50_describe_user_scram_credentials, DescribeUserScramCredentialsRequest(None), ErrorCode.NONE),
        (api_64_unregister_broker, UnregisterBrokerRequest(7), ErrorCode.BROKER_ID_NOT_REGISTERED),
        (api_71_get_telemetry_subscriptions, GetTelemetrySubscriptionsRequest(), ErrorCode.NONE),
        (api_72_push_telemetry, PushTelemetryRequest(), ErrorCode.UNKNOWN_SUBSCRIPTION_ID),
    ],
    ids=lambda value: getattr(value, "name", None) or type(value).__name__.removesuffix("Request"),
)
async def test_what_is_not_there_is_said_by_kafkas_error(api: ModuleType, request_: Struct, error: ErrorCode) -> None:
    broker = await SmallBroker().start()
    for version in api.VERSIONS:
        assert (await broker.ask(api, request_, version)).error_code == error


async def test_a_replica_can_only_move_to_the_directory_in_which_it_is() -> None:
    broker = await SmallBroker().start()
    await broker.create("orders", 1)
    topics = [AlterReplicaLogDirTopic("orders", [0, 9])]
    request = AlterReplicaLogDirsRequest([AlterReplicaLogDir(HERE, topics), AlterReplicaLogDir("/elsewhere", topics)])
    results = (await broker.ask(api_34_alter_replica_log_dirs, request)).results
    assert [[partition.error_code for partition in topic.partitions] for topic in results] == [
        [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
        [ErrorCode.LOG_DIR_NOT_FOUND, ErrorCode.LOG_DIR_NOT_FOUND],
    ]


async def test_a_broker_that_is_unregistered_is_gone_from_the_metadata() -> None:
    broker = await SmallBroker().start()
    answer = await broker.ask(api_64_unregister_broker, UnregisterBrokerRequest(broker.node_id))
    assert (answer.error_code, dict(broker.image.brokers)) == (0, {})


async def test_a_client_keeps_the_identity_that_it_was_given_for_its_telemetry() -> None:
    broker = await SmallBroker().start()
    first = await broker.ask(api_71_get_telemetry_subscriptions, GetTelemetrySubscriptionsRequest())
    assert first.client_instance_id != ZERO_UUID
    again = GetTelemetrySubscriptionsRequest(first.client_instance_id)
    second = await broker.ask(api_71_get_telemetry_subscriptions, again)
    assert (second.client_instance_id, list(second.requested_metrics)) == (first.client_instance_id, [])


@pytest.mark.parametrize(
    ("cluster", "node", "error"),
    [
        (None, -1, ErrorCode.NONE),
        ("the cluster's", 1, ErrorCode.NONE),
        ("the cluster's", 7, ErrorCode.REBOOTSTRAP_REQUIRED),
        ("another", 1, ErrorCode.REBOOTSTRAP_REQUIRED),
        ("the cluster's", -1, ErrorCode.INVALID_REQUEST),
        (None, 1, ErrorCode.INVALID_REQUEST),
        ("", -1, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_a_client_that_means_another_cluster_or_node_is_told_so(
    cluster: str | None, node: int, error: ErrorCode
) -> None:
    broker = await SmallBroker().start()
    named = broker.image.cluster_id if cluster == "the cluster's" else cluster
    request = ApiVersionsRequest("probe", "1", named, node)
    assert (await broker.ask(api_18_api_versions, request, 5)).error_code == error
