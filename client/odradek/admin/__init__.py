"""Administration: topics, configurations, groups, offsets, permissions, quotas, the cluster.

One file per noun, one class for all.
"""

from __future__ import annotations

from odradek.admin.access import AclAdmin, AclFilter
from odradek.admin.configs import ConfigAdmin, ConfigEntry, ConfigSource, ResourceType
from odradek.admin.groups import GroupDescription, GroupListing, MemberDescription, RebalanceDescription
from odradek.admin.log_dirs import LogDirAdmin
from odradek.admin.loop import LoopAdmin, LoopDescription
from odradek.admin.quotas import Quota, QuotaAdmin
from odradek.admin.records import ClusterDescription, RecordAdmin
from odradek.admin.replicas import Reassignment, ReplicaAdmin
from odradek.admin.share_groups import ShareGroupAdmin, ShareGroupOffset
from odradek.admin.tokens import DelegationToken, TokenAdmin
from odradek.admin.topics import TopicAdmin, TopicDescription
from odradek.admin.transactions import (
    OpenTransaction,
    ProducerDescription,
    TransactionAdmin,
    TransactionDescription,
    TransactionListing,
)
from odradek.admin.users import ScramCredential, UserAdmin
from odradek.protocol.acl import Acl


class Admin(
    TopicAdmin,
    ConfigAdmin,
    ShareGroupAdmin,
    RecordAdmin,
    ReplicaAdmin,
    LogDirAdmin,
    LoopAdmin,
    AclAdmin,
    QuotaAdmin,
    UserAdmin,
    TokenAdmin,
    TransactionAdmin,
):
    """Looks after a cluster. Use as `async with Admin("localhost:9092") as admin:`. Arguments are AdminOptions."""


__all__ = [
    "Acl",
    "AclFilter",
    "Admin",
    "ClusterDescription",
    "ConfigEntry",
    "ConfigSource",
    "DelegationToken",
    "GroupDescription",
    "GroupListing",
    "LoopDescription",
    "MemberDescription",
    "OpenTransaction",
    "ProducerDescription",
    "Quota",
    "Reassignment",
    "RebalanceDescription",
    "ResourceType",
    "ScramCredential",
    "ShareGroupOffset",
    "TopicDescription",
    "TransactionDescription",
    "TransactionListing",
]
