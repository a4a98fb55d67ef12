"""How a broker comes into its cluster: it opens its logs, says what it has, and is let in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from odradek.protocol.messages.broker_registration import Listener
from odradek_broker.controller.effective import topic_configs
from odradek_broker.controller.replica_faults import RegistrationRequest
from odradek_broker.partitions.topic_settings import log_config

if TYPE_CHECKING:
    import trio

    from odradek_broker.controller.image import Endpoint, MetadataImage
    from odradek_broker.metadata.local import LocalController
    from odradek_broker.metadata.remote import RemoteController
    from odradek_broker.node.broker import Broker


async def begin_as_controller(
    broker: Broker, controller: LocalController, endpoints: tuple[Endpoint, ...], nursery: trio.Nursery
) -> None:
    """The controller of this process begins; its broker, if there is one, is let in at once. Raises OSError."""
    await controller.runtime.start()
    if not broker.context.is_broker:
        broker.on_image(controller.image)
        return
    await controller.join(await _registration(broker, controller.image, endpoints))
    broker.directory.remember_epoch(controller.broker_epoch, synced=broker.flusher.syncs)
    broker.replica_logs.lower_recovery_points()
    nursery.start_soon(broker.fetchers.run)


async def join(
    broker: Broker, remote: RemoteController, endpoints: tuple[Endpoint, ...], nursery: trio.Nursery
) -> None:
    """Register, follow the metadata, and wait to be let in."""
    registration = await _registration(broker, await remote.follower.first_image(), endpoints)
    epoch = await remote.register(registration)
    await broker.workers.run(partial(broker.directory.remember_epoch, epoch, synced=broker.flusher.syncs))
    await broker.workers.run(broker.replica_logs.lower_recovery_points)
    nursery.start_soon(broker.fetchers.run)
    nursery.start_soon(remote.follower.follow)
    await nursery.start(remote.beat)
    nursery.start_soon(remote.lease.watch, broker.on_lease)


async def _registration(broker: Broker, image: MetadataImage, endpoints: tuple[Endpoint, ...]) -> RegistrationRequest:
    """What the broker says about itself, and about its disk: logs are opened before, for it may be elected after.

    `image`: the metadata as of now. Under which incarnation it asks is written down first.
    """
    context, directory, workers = broker.context, broker.directory, broker.workers
    configs = topic_configs(image, context.static_config)
    await workers.run(partial(broker.replica_logs.recover, image, partial(log_config, image, configs)))
    incarnation_id, earlier = context.random.randbytes(16), directory.registration.incarnations
    await workers.run(partial(directory.intend_to_register, incarnation_id))
    request = RegistrationRequest(
        broker_id=context.node_id,
        cluster_id=directory.cluster_id,
        incarnation_id=incarnation_id,
        listeners=[Listener(one.name, one.host, one.port, one.security_protocol) for one in endpoints],
        rack=context.config.broker_rack,
        log_dirs=[directory.directory_id],
        previous_broker_epoch=directory.complete_since(),
        earlier_incarnations=earlier,
        damaged=broker.replica_logs.damaged(),
    )
    broker.replica_logs.told()
    return request
