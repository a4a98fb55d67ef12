"""`odradek cluster`: who is there, and whether all partitions are well."""

from __future__ import annotations

from collections import Counter
from typing import Any

from odradek import Admin
from odradek_cli.command import Group
from odradek_cli.display import show
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for

cluster = Group("cluster", "The cluster as a whole.")

BROKER_COLUMNS = ("broker", "address", "rack", "is_controller", "leads", "replicas")
COLUMNS = ("cluster", "brokers", "topics", "partitions", "under_replicated", "without_leader")


@cluster.command()
def info(as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show the cluster's brokers, and how many of its partitions lack a replica or a leader."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await admin.describe_cluster()
            topics = await admin.describe_topics(*await admin.list_topics(internal=True)) if found.brokers else {}
        partitions = [each for topic in topics.values() for each in topic.partitions]
        leads = Counter(each.leader for each in partitions)
        replicas = Counter(broker for each in partitions for broker in each.replicas)
        summary = {
            "cluster": found.cluster_id,
            "brokers": len(found.brokers),
            "topics": len(topics),
            "partitions": len(partitions),
            "under_replicated": sum(len(each.isr) < len(each.replicas) for each in partitions),
            "without_leader": leads[-1],
        }
        rows: list[dict[str, Any]] = [
            {
                "broker": broker.node_id,
                "address": f"{broker.host}:{broker.port}",
                "rack": broker.rack,
                "is_controller": broker.node_id == found.controller_id,
                "leads": leads[broker.node_id],
                "replicas": replicas[broker.node_id],
            }
            for broker in found.brokers
        ]
        show(COLUMNS, [summary], as_json=as_json)
        show(BROKER_COLUMNS, rows, as_json=as_json)

    run(work, bootstrap)
