"""Administration: topics, configurations, groups, offsets, the cluster. One file per noun, one class for all."""

from __future__ import annotations

from odradek.admin.configs import ConfigAdmin, ConfigEntry, ConfigSource, ResourceType
from odradek.admin.groups import GroupAdmin, GroupDescription, GroupListing, MemberDescription, RebalanceDescription
from odradek.admin.log_dirs import LogDirAdmin
from odradek.admin.records import ClusterDescription, RecordAdmin
from odradek.admin.replicas import Reassignment, ReplicaAdmin
from odradek.admin.topics import TopicAdmin, TopicDescription


class Admin(TopicAdmin, ConfigAdmin, GroupAdmin, RecordAdmin, ReplicaAdmin, LogDirAdmin):
    """Looks after a cluster. Use as `async with Admin("localhost:9092") as admin:`. Arguments are AdminOptions."""


__all__ = [
    "Admin",
    "ClusterDescription",
    "ConfigEntry",
    "ConfigSource",
    "GroupDescription",
    "GroupListing",
    "MemberDescription",
    "Reassignment",
    "RebalanceDescription",
    "ResourceType",
    "TopicDescription",
]
