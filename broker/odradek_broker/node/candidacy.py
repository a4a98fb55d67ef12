"""One of several controllers stands as a candidate: it decides in this process whenever it is the active one."""

from __future__ import annotations

import base64
import logging
from random import Random
from typing import TYPE_CHECKING

from odradek_broker.election.candidate import Candidate, CannotLead, Leader, Term
from odradek_broker.election.etcd import Etcd
from odradek_broker.metadata.active import ControllerRuntime
from odradek_broker.metadata.client import ControllerUnavailable

if TYPE_CHECKING:
    import trio

    from odradek_broker.context import NodeContext
    from odradek_broker.controller.image import Endpoint
    from odradek_broker.election.gateway import Gateway
    from odradek_broker.metadata.seat import ControllerSeat
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)


async def stand_as_candidate(
    context: NodeContext,
    seat: ControllerSeat,
    workers: Workers,
    gateway: Gateway,
    endpoints: tuple[Endpoint, ...],
    nursery: trio.Nursery,
) -> str:
    """From now on this process is the active controller whenever it can be; return the cluster's id."""
    config = context.config
    host, port = next((each.host, each.port) for each in endpoints if each.name == config.inter_broker_listener)
    cluster_id = ""
    for endpoint in config.open_etcd_endpoints:
        logger.warning(
            "etcd at %s is reached without TLS: whoever is in between reads and changes all metadata", endpoint
        )

    async def lead(term: Term) -> None:
        controller = ControllerRuntime(
            term.journal,
            config,
            context.clock,
            context.random,
            cluster_id,
            lambda old, new: None,  # this broker follows the metadata as every other one
            workers,
            context.network,
            may_decide=term.may_decide,
            predecessor_ms=term.predecessor_ms,
            has_rivals=True,
        )
        try:
            await controller.start()
        except ControllerUnavailable as error:
            raise CannotLead(str(error)) from error
        logger.info("controller %d is active", context.node_id)
        seat.controller = controller
        try:
            await controller.run()
        finally:
            seat.controller = None
            controller.stop()

    candidate = Candidate(
        Etcd(config.etcd_endpoints, gateway),
        config.etcd_prefix,
        Leader(context.node_id, host, port, context.random.randbytes(16).hex()),
        config.broker_session_timeout_ms,
        context.network,
        context.clock,
        workers,
        lead,
    )
    cluster_id = await candidate.cluster_id(new_cluster_id(context.random))
    nursery.start_soon(candidate.run)
    return cluster_id


def new_cluster_id(random: Random) -> str:
    """22 characters of unpadded base64url, as Kafka makes them; never beginning with a dash."""
    while True:
        cluster_id = base64.urlsafe_b64encode(random.randbytes(16)).rstrip(b"=").decode()
        if not cluster_id.startswith("-"):
            return cluster_id
