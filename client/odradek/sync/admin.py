"""Administration without async: every method of `odradek.Admin`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odradek import admin
from odradek.sync.faces import Face, asks, waits


class Admin(Face):
    """Use as `with Admin("localhost:9092") as admin:`. Arguments are those of `odradek.Admin`."""

    def __init__(self, bootstrap: str | Sequence[str], **options: Any) -> None:
        super().__init__(admin.Admin(bootstrap, **options))

    create_topic = waits(admin.Admin.create_topic)
    delete_topic = waits(admin.Admin.delete_topic)
    create_partitions = waits(admin.Admin.create_partitions)
    list_topics = waits(admin.Admin.list_topics)
    describe_topics = waits(admin.Admin.describe_topics)
    describe_topic = waits(admin.Admin.describe_topic)
    describe_configs = waits(admin.Admin.describe_configs)
    alter_configs = waits(admin.Admin.alter_configs)
    list_groups = waits(admin.Admin.list_groups)
    describe_group = waits(admin.Admin.describe_group)
    delete_group = waits(admin.Admin.delete_group)
    group_offsets = waits(admin.Admin.group_offsets)
    group_history = waits(admin.Admin.group_history)
    group_lag = waits(admin.Admin.group_lag)
    alter_group_offsets = waits(admin.Admin.alter_group_offsets)
    delete_group_offsets = waits(admin.Admin.delete_group_offsets)
    describe_share_group = waits(admin.Admin.describe_share_group)
    share_group_offsets = waits(admin.Admin.share_group_offsets)
    alter_share_group_offsets = waits(admin.Admin.alter_share_group_offsets)
    delete_share_group_offsets = waits(admin.Admin.delete_share_group_offsets)
    list_offsets = waits(admin.Admin.list_offsets)
    end_offsets = waits(admin.Admin.end_offsets)
    beginning_offsets = waits(admin.Admin.beginning_offsets)
    newest_records = waits(admin.Admin.newest_records)
    count_records = waits(admin.Admin.count_records)
    delete_records = waits(admin.Admin.delete_records)
    set_password = waits(admin.Admin.set_password)
    remove_user = waits(admin.Admin.remove_user)
    users = waits(admin.Admin.users)
    create_delegation_token = waits(admin.Admin.create_delegation_token)
    delegation_tokens = waits(admin.Admin.delegation_tokens)
    renew_delegation_token = waits(admin.Admin.renew_delegation_token)
    expire_delegation_token = waits(admin.Admin.expire_delegation_token)
    describe_cluster = waits(admin.Admin.describe_cluster)
    elect_leaders = waits(admin.Admin.elect_leaders)
    reassign = waits(admin.Admin.reassign)
    reassignments = waits(admin.Admin.reassignments)
    replica_sizes = waits(admin.Admin.replica_sizes)
    loops = waits(admin.Admin.loops)
    list_acls = waits(admin.Admin.list_acls)
    create_acls = waits(admin.Admin.create_acls)
    delete_acls = waits(admin.Admin.delete_acls)
    list_quotas = waits(admin.Admin.list_quotas)
    alter_quota = waits(admin.Admin.alter_quota)
    list_transactions = waits(admin.Admin.list_transactions)
    describe_transaction = waits(admin.Admin.describe_transaction)
    describe_producers = waits(admin.Admin.describe_producers)
    open_transactions = waits(admin.Admin.open_transactions)
    find_hanging_transactions = waits(admin.Admin.find_hanging_transactions)
    owner_of = waits(admin.Admin.owner_of)
    fence_producer = waits(admin.Admin.fence_producer)
    abort_hanging_transaction = waits(admin.Admin.abort_hanging_transaction)
    health = asks(admin.Admin.health)
