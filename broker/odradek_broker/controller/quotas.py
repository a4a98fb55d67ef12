"""Change and describe quotas (ClientQuotaControlManager.java, ClientQuotasImage.java, and what 4.4.0 answers).

Each entity is changed as a whole or not at all; a bad one never fails its neighbours.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import metadata_records
from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    AlterClientQuotasResponse,
    AlterClientQuotasResponseEntryData,
    EntityData,
    OpData,
)
from odradek.protocol.messages.describe_client_quotas import (
    ComponentData,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    EntryData,
    ValueData,
)
from odradek.protocol.messages.describe_client_quotas import EntityData as DescribedEntity
from odradek.protocol.messages.metadata_records import ClientQuotaRecord
from odradek_broker.config.setting import INT_MAX
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.ports.addresses import plain_address
from odradek_broker.security.quotas import (
    CLIENT_ID,
    CONNECTIONS,
    FETCH,
    IP,
    MUTATIONS,
    PRODUCE,
    REQUEST_TIME,
    USER,
    Entity,
    Quotas,
)

OF_CLIENTS = {PRODUCE, FETCH, REQUEST_TIME, MUTATIONS}
OF_ADDRESSES = {CONNECTIONS}
WHOLE_NUMBERS = {PRODUCE: 2**63 - 1, FETCH: 2**63 - 1, CONNECTIONS: INT_MAX}
"""And the greatest of each."""
MAX_ENTITIES = 100_000
MAX_NAME_LENGTH = 32_767

EXACT, DEFAULT, SPECIFIED = range(3)
"""How a component of a filter matches."""


def alter_client_quotas(
    image: MetadataImage, request: AlterClientQuotasRequest
) -> ControllerResult[AlterClientQuotasResponse]:
    """Answer each entry of the request, in its order."""
    records: list[Struct] = []
    answers = []
    seen: set[Entity] = set()
    for entry in request.entries:
        error, message = ErrorCode.NONE, None
        try:
            entity = _entity(entry)
            if entity in seen:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the entity is named more than once in the request")
            seen.add(entity)
            records += _changes(image, entity, entry.ops)
        except ApiError as refusal:
            error, message = ErrorCode.from_code(refusal.error_code), refusal.message
        answers.append(AlterClientQuotasResponseEntryData(error, message, entry.entity))
    return ControllerResult([] if request.validate_only else records, AlterClientQuotasResponse(entries=answers))


def describe_client_quotas(quotas: Quotas, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse:
    """Those whose entity has all that the filter names; with `strict` nothing else."""
    try:
        wanted = _filter(request.components)
    except ApiError as refusal:
        return DescribeClientQuotasResponse(error_code=refusal.error_code, error_message=refusal.message, entries=None)
    entries = [
        EntryData(
            [DescribedEntity(kind, name) for kind, name in entity],
            [ValueData(key, value) for key, value in values.items()],
        )
        for entity, values in quotas.items()
        if _matches(dict(entity), wanted, strict=request.strict)
    ]
    return DescribeClientQuotasResponse(error_message=None, entries=entries)


def quota_record(entity: Entity, key: str, value: float | None) -> ClientQuotaRecord:
    """A value of None removes the quota."""
    parts = [metadata_records.EntityData(kind, name) for kind, name in entity]
    return ClientQuotaRecord(parts, key, value or 0.0, value is None)


def entity_of(parts: Sequence[EntityData | metadata_records.EntityData]) -> Entity:
    """An address is the same however it is written."""
    names = ((part.entity_type, _name(part.entity_type, part.entity_name)) for part in parts)
    return tuple(sorted(names, key=lambda part: part[0]))


def _name(entity_type: str, name: str | None) -> str | None:
    return plain_address(name) if entity_type == IP and name is not None else name


# ---------------------------------------------------------------------------------------------------------- changing


def _entity(entry: AlterClientQuotasRequestEntryData) -> Entity:
    """Raises ApiError."""
    kinds = [part.entity_type for part in entry.entity]
    if not kinds or len(set(kinds)) < len(kinds):
        raise ApiError(ErrorCode.INVALID_REQUEST, "a quota is for a user, a client id, both, or an address")
    unknown = next((kind for kind in kinds if kind not in (USER, CLIENT_ID, IP)), None)
    if unknown is not None:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"there are no entities of the type {unknown[:100]!r}")
    if IP in kinds and len(kinds) > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "a quota of an address is for no user and no client id")
    for part in entry.entity:
        name = part.entity_name
        if name is not None and (not name or len(name) > MAX_NAME_LENGTH):
            raise ApiError(ErrorCode.INVALID_REQUEST, f"a name has 1 to {MAX_NAME_LENGTH} characters")
        if part.entity_type == IP and name is not None and not _is_address(name):
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{name[:100]!r} is no IP address")
    return entity_of(entry.entity)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _changes(image: MetadataImage, entity: Entity, ops: Sequence[OpData]) -> list[ClientQuotaRecord]:
    """Raises ApiError."""
    keys = [op.key for op in ops]
    if len(set(keys)) < len(keys):
        raise ApiError(ErrorCode.INVALID_REQUEST, "a quota is changed more than once")
    current = image.quotas.get(entity, {})
    if entity not in image.quotas and len(image.quotas) >= MAX_ENTITIES and not all(op.remove for op in ops):
        raise ApiError(ErrorCode.POLICY_VIOLATION, f"there would be quotas for more than {MAX_ENTITIES} entities")
    changes = []
    for op in ops:
        if op.remove:
            if op.key in current:
                changes.append(quota_record(entity, op.key, None))
            continue
        _refuse_value(op, OF_ADDRESSES if entity[0][0] == IP else OF_CLIENTS)
        if current.get(op.key) != op.value:
            changes.append(quota_record(entity, op.key, op.value))
    return changes


def _refuse_value(op: OpData, known: set[str]) -> None:
    """Raises ApiError."""
    if op.key not in known:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"there is no quota {op.key[:100]!r} for such an entity")
    if not op.value > 0 or math.isinf(op.value):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{op.key} must be greater than 0")
    if op.key in WHOLE_NUMBERS and (op.value % 1 > 1e-6 or op.value > WHOLE_NUMBERS[op.key]):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{op.key} must be a whole number up to {WHOLE_NUMBERS[op.key]}")


# -------------------------------------------------------------------------------------------------------- describing


def _filter(components: Sequence[ComponentData]) -> Mapping[str, ComponentData]:
    """By type. Raises ApiError."""
    wanted: dict[str, ComponentData] = {}
    for component in components:
        kind = component.entity_type
        if not kind or kind in wanted:
            raise ApiError(ErrorCode.INVALID_REQUEST, "the filter names a type of entity twice, or an empty one")
        if kind not in (USER, CLIENT_ID, IP):
            raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"there are no entities of the type {kind[:100]!r}")
        if component.match_type not in (EXACT, DEFAULT, SPECIFIED):
            raise ApiError(ErrorCode.INVALID_REQUEST, f"there is no type of match {component.match_type}")
        if (component.match is not None) != (component.match_type == EXACT):
            raise ApiError(ErrorCode.INVALID_REQUEST, "only an exact match is for a name, and always for one")
        wanted[kind] = component
    if IP in wanted and len(wanted) > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "a quota of an address is for no user and no client id")
    return wanted


def _matches(entity: Mapping[str, str | None], wanted: Mapping[str, ComponentData], *, strict: bool) -> bool:
    if strict and len(entity) != len(wanted):
        return False
    return all(
        kind in entity and (component.match_type == SPECIFIED or entity[kind] == _name(kind, component.match))
        for kind, component in wanted.items()
    )
