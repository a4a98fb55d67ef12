"""Which decision answers which request: everything that the active controller is asked for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from odradek.protocol.messages.alter_client_quotas import AlterClientQuotasRequest
from odradek.protocol.messages.alter_configs import AlterConfigsRequest
from odradek.protocol.messages.alter_partition import AlterPartitionRequest
from odradek.protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from odradek.protocol.messages.alter_user_scram_credentials import AlterUserScramCredentialsRequest
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest
from odradek.protocol.messages.create_acls import CreateAclsRequest
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.messages.delete_acls import DeleteAclsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest
from odradek.protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from odradek.protocol.messages.update_features import UpdateFeaturesRequest
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.acls import create_acls, delete_acls
from odradek_broker.controller.alter_partition import alter_partition
from odradek_broker.controller.configs import alter_configs, incremental_alter_configs
from odradek_broker.controller.create_partitions import create_partitions
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.delegation_tokens import (
    CreateTokenRequest,
    ExpireTokenRequest,
    RenewTokenRequest,
    create_token,
    expire_token,
    renew_token,
)
from odradek_broker.controller.delete_topics import delete_topics
from odradek_broker.controller.elections import elect_leaders
from odradek_broker.controller.features import update_features
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.membership import (
    register_broker,
    take_heartbeat,
    unregister_broker,
)
from odradek_broker.controller.producer_ids import allocate_producer_ids
from odradek_broker.controller.quotas import alter_client_quotas
from odradek_broker.controller.reassignments import alter_reassignments
from odradek_broker.controller.replica_faults import RegistrationRequest, ReplicaFaultsRequest, take_replica_faults
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.scram_users import alter_scram_users

Decision: TypeAlias = Callable[[MetadataImage, Any, int], ControllerResult[Any]]
"""By the image, the request and its version."""

LONG = {
    AlterConfigsRequest,
    AlterPartitionReassignmentsRequest,
    AlterClientQuotasRequest,
    AlterUserScramCredentialsRequest,
    CreateAclsRequest,
    CreatePartitionsRequest,
    CreateTokenRequest,
    CreateTopicsRequest,
    DeleteAclsRequest,
    DeleteTopicsRequest,
    ElectLeadersRequest,
    ExpireTokenRequest,
    IncrementalAlterConfigsRequest,
    RenewTokenRequest,
}
"""What clients ask for, as large as they like, or that looks at all there is of something."""


def decisions(config: BrokerConfig, random: Random, now_ms: Callable[[], int]) -> dict[type, Decision]:
    """By the request's class. `now_ms` is the time of day."""
    return {
        AlterUserScramCredentialsRequest: lambda image, request, _: alter_scram_users(image, request, random),
        AllocateProducerIdsRequest: lambda image, request, _: allocate_producer_ids(image, request),
        AlterClientQuotasRequest: lambda image, request, _: alter_client_quotas(image, request),
        AlterConfigsRequest: lambda image, request, _: alter_configs(image, request, config),
        AlterPartitionRequest: lambda image, request, _: alter_partition(image, request, config),
        AlterPartitionReassignmentsRequest: lambda image, request, _: alter_reassignments(image, request, config),
        BrokerHeartbeatRequest: lambda image, request, _: take_heartbeat(image, request, config),
        BrokerRegistrationRequest: lambda image, request, _: register_broker(image, request, config),
        CreateAclsRequest: lambda image, request, _: create_acls(image, request, random.randbytes),
        CreatePartitionsRequest: lambda image, request, _: create_partitions(image, request, config, random),
        CreateTokenRequest: lambda image, request, _: create_token(image, request, config, now_ms(), random.randbytes),
        CreateTopicsRequest: lambda image, request, _: create_topics(image, request, config, random),
        DeleteAclsRequest: lambda image, request, _: delete_acls(image, request),
        DeleteTopicsRequest: lambda image, request, version: delete_topics(image, request, config, version),
        ElectLeadersRequest: lambda image, request, _: elect_leaders(image, request, config),
        ExpireTokenRequest: lambda image, request, _: expire_token(image, request, config, now_ms()),
        IncrementalAlterConfigsRequest: lambda image, request, _: incremental_alter_configs(image, request, config),
        RegistrationRequest: lambda image, request, _: register_broker(image, request, config),
        RenewTokenRequest: lambda image, request, _: renew_token(image, request, config, now_ms()),
        ReplicaFaultsRequest: lambda image, request, _: take_replica_faults(image, request, config),
        UpdateFeaturesRequest: lambda image, request, version: update_features(image, request, version),
        UnregisterBrokerRequest: lambda image, request, _: unregister_broker(image, request, config),
    }
