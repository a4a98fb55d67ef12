"""A copier reads what transfers have written to one topic, writes it to another, and commits how far it is with that.

It dies now and then, by one protocol of groups or the other, and changes its mind: before it has said how far it is, or
afterwards. Then whoever comes next begins where the last transaction that was committed has ended.
"""

from __future__ import annotations

import math
from random import Random

import trio
from clients import AGAIN_S, HEARTBEAT_MS, POLL_S, REQUEST_TIMEOUT_MS, SESSION_MS
from operations import admin_of
from scene import Scene
from transfers import COPY, DEBIT, GIVES_UP, LONGEST_LIFE_S, ChangeOfMind, producer_of

from odradek import Consumer, Producer, Record, TopicPartition, exactly_once
from odradek.consumer.config import GroupProtocol
from odradek.errors import OdradekError
from odradek.producer.transaction_scope import Outcome as End
from odradek.producer.transaction_scope import Transaction

COPIERS, COPIER = "copiers", "copier"
BATCH = 5
CHANGES_MIND_LATE = 0.4
"""When offsets have been kept aside already."""

Records = Consumer[bytes | None, bytes | None]


async def copy(scene: Scene, random: Random) -> None:
    """Life after life, until cancelled."""
    while True:
        try:
            life_s = math.inf if scene.is_over.is_set() else random.uniform(2.0, 2 * LONGEST_LIFE_S)
            protocol: GroupProtocol = random.choice(["classic", "consumer"])
            with trio.move_on_after(life_s):
                async with _member(scene, protocol) as consumer, producer_of(scene, COPIER, random) as producer:
                    scene.happened[f"{protocol} copier"] += 1
                    while True:
                        if random.random() < CHANGES_MIND_LATE:
                            await _say_how_far_and_change_mind(scene, consumer, producer)
                        await _copy_for_a_while(scene, random, consumer, producer)
        except ChangeOfMind:
            pass
        except OdradekError as error:
            scene.world.note(f"{COPIER}: {error}")
            await trio.sleep(AGAIN_S)


def _member(scene: Scene, protocol: GroupProtocol) -> Records:
    return Consumer(
        scene.world.bootstrap,
        DEBIT,
        group=COPIERS,
        protocol=protocol,
        commit="manual",
        start="earliest",
        isolation_level="read_committed",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        surroundings=scene.world.client(),
    )


async def _copy_for_a_while(scene: Scene, random: Random, consumer: Records, producer: Producer) -> None:
    """One that has changed its mind stands where the batch began."""
    done: Transaction | None = None
    upto: dict[TopicPartition, int] = {}
    try:
        async with exactly_once(consumer, producer, max_records=BATCH) as batches:
            async for batch in batches:
                if done is not None and done.outcome is End.COMMITTED:
                    scene.happened["batch copied"] += 1
                    scene.committed(COPIERS, upto, scene.floors(COPIERS, list(upto)))
                done = batches.transaction
                upto = await _copy_batch(scene, producer, batch)
                if not scene.is_over.is_set() and random.random() < GIVES_UP / 2:
                    raise ChangeOfMind
    except ChangeOfMind:
        pass


async def _say_how_far_and_change_mind(scene: Scene, consumer: Records, producer: Producer) -> None:
    """Raises ChangeOfMind once offsets have been kept aside: they must not count for the next copier."""
    if scene.is_over.is_set() or not (batch := await consumer.poll(BATCH, timeout_s=POLL_S)):
        return
    async with producer.transaction() as transaction:
        await _copy_batch(scene, producer, batch)
        await transaction.commit_offsets(consumer)
        scene.happened["offsets not committed after all"] += 1
        raise ChangeOfMind


async def _copy_batch(
    scene: Scene, producer: Producer, batch: list[Record[bytes | None, bytes | None]]
) -> dict[TopicPartition, int]:
    """How far that is in each partition."""
    upto: dict[TopicPartition, int] = {}
    for record in batch:
        scene.given_as_committed(COPIER, record.topic_partition, record.offset)
        upto[record.topic_partition] = record.offset + 1
        await producer.send(COPY, record.value, partition=record.partition)
    return upto


async def look_up_copies(scene: Scene) -> None:
    """What the copier's group has committed never goes back, and is what it was told, or more: until cancelled."""
    while True:
        try:
            async with admin_of(scene) as admin:
                while True:
                    floors = {place: each for (name, place), each in scene.commits.items() if name == COPIERS}
                    found = await admin.group_offsets(COPIERS)
                    scene.looked_up(COPIERS, {place: each.offset for place, each in found.items()}, floors)
                    await trio.sleep(AGAIN_S)
        except OdradekError:
            await trio.sleep(AGAIN_S)
