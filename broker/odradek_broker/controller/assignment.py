"""Whether brokers can carry the replicas that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.protocol.errors import ErrorCode
from odradek_broker.controller.image import MetadataImage
from odradek_broker.coordination.api_error import ApiError

MAX_PARTITIONS = 10_000
"""New partitions of one request: their records make one batch."""


def refuse_replication(image: MetadataImage, factor: int) -> None:
    if not image.active_brokers:
        raise ApiError(ErrorCode.INVALID_REPLICATION_FACTOR, "no broker is active")
    if factor > len(image.brokers):
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"{factor} replicas need as many brokers, and only {len(image.brokers)} are registered",
        )


def refuse_assignment(image: MetadataImage, placed: Sequence[tuple[int, ...]], factor: int) -> None:
    """Refuse replicas that cannot be, the same factor for all."""
    for replicas in placed:
        wrong = check_replicas(image, replicas)
        if wrong is None and len(replicas) != factor:
            wrong = f"every partition needs {factor} replicas, and one has {len(replicas)}"
        if wrong is None and not any(image.brokers[replica].is_active for replica in replicas):
            wrong = f"none of the brokers {', '.join(map(str, replicas))} is active"
        if wrong is not None:
            raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, wrong)


def check_replicas(image: MetadataImage, replicas: tuple[int, ...]) -> str | None:
    """What is wrong with one partition's replicas, or None."""
    if not replicas:
        return "a partition has no replicas"
    if len(set(replicas)) != len(replicas):
        return "a partition names a broker more than once"
    unknown = sorted(set(replicas) - image.brokers.keys())
    return f"broker {unknown[0]} is not registered" if unknown else None
