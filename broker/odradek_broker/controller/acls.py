"""Create and delete ACLs (AclControlManager.java, and what 4.4.0 answers).

Each entry and each filter is answered by itself; a bad one never fails its neighbours. An ACL that is there already is
created again without a record. One request makes MAX_CHANGES changes at most, or none at all.

Where an ACL or a filter has a part that none can have, Kafka says UNKNOWN_SERVER_ERROR, or closes the connection; here
it is INVALID_REQUEST.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from msgspec import Struct

from odradek.protocol.acl import CLUSTER_NAME, Acl, Operation, PatternType, Permission, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_acls import (
    AclCreation,
    AclCreationResult,
    CreateAclsRequest,
    CreateAclsResponse,
)
from odradek.protocol.messages.delete_acls import (
    DeleteAclsFilter,
    DeleteAclsFilterResult,
    DeleteAclsMatchingAcl,
    DeleteAclsRequest,
    DeleteAclsResponse,
)
from odradek.protocol.messages.metadata_records import AccessControlEntryRecord, RemoveAccessControlEntryRecord
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.security.acl_filter import AclFilter
from odradek_broker.security.principal import parse_principal

MAX_CHANGES = 10_000
"""As in Kafka."""
MAX_TEXT_LENGTH = 32_767
"""Of the name of a resource, a principal, a host."""
MAX_ACLS = 200_000
MAX_TOTAL_LENGTH = 64 * 1024 * 1024
"""Of these texts in all ACLs together: every broker has them in its memory, and in each snapshot."""
TOO_MANY = f"one request may change {MAX_CHANGES} ACLs at most"


def create_acls(
    image: MetadataImage, request: CreateAclsRequest, randbytes: Callable[[int], bytes]
) -> ControllerResult[CreateAclsResponse]:
    """Answer each entry of the request, in its order."""
    records: list[Struct] = []
    results, made = [], set[Acl]()
    for creation in request.creations:
        try:
            acl = _to_create(creation)
        except ApiError as refusal:
            results.append(AclCreationResult(refusal.error_code, refusal.message))
            continue
        if acl not in made and not image.acls.has(acl):
            made.add(acl)
            records.append(record_of(_new_id(image, randbytes), acl))
        results.append(AclCreationResult(error_message=None))
    too_many = TOO_MANY if len(records) > MAX_CHANGES else _no_room(image, made)
    if too_many is not None:
        refused = AclCreationResult(ErrorCode.POLICY_VIOLATION, too_many)
        return ControllerResult([], CreateAclsResponse(results=[refused for _ in request.creations]))
    return ControllerResult(records, CreateAclsResponse(results=results))


def delete_acls(image: MetadataImage, request: DeleteAclsRequest) -> ControllerResult[DeleteAclsResponse]:
    """Answer each filter of the request, in its order: two of them may find the same ACL."""
    found: dict[bytes, None] = {}
    results = []
    for wanted in request.filters:
        chosen = filter_of(wanted)
        wrong = chosen.refuse()
        if wrong is not None:
            results.append(DeleteAclsFilterResult(ErrorCode.INVALID_REQUEST, wrong))
            continue
        matching = list(islice(chosen.select(image.acls.by_id.items()), MAX_CHANGES + 1))
        found.update((acl_id, None) for acl_id, _ in matching)
        if len(found) > MAX_CHANGES:
            refused = DeleteAclsFilterResult(ErrorCode.POLICY_VIOLATION, TOO_MANY)
            return ControllerResult([], DeleteAclsResponse(filter_results=[refused for _ in request.filters]))
        results.append(DeleteAclsFilterResult(0, None, [_matching(acl) for _, acl in matching]))
    return ControllerResult(
        [RemoveAccessControlEntryRecord(id=acl_id) for acl_id in found], DeleteAclsResponse(filter_results=results)
    )


def record_of(acl_id: bytes, acl: Acl) -> AccessControlEntryRecord:
    return AccessControlEntryRecord(
        id=acl_id,
        resource_type=acl.resource_type,
        resource_name=acl.resource_name,
        pattern_type=acl.pattern_type,
        principal=acl.principal,
        host=acl.host,
        operation=acl.operation,
        permission_type=acl.permission,
    )


def acl_of(record: AccessControlEntryRecord) -> Acl:
    return Acl(
        record.resource_type,
        record.resource_name,
        record.pattern_type,
        record.principal,
        record.host,
        record.operation,
        record.permission_type,
    )


def filter_of(wanted: DeleteAclsFilter) -> AclFilter:
    return AclFilter(
        wanted.resource_type_filter,
        wanted.resource_name_filter,
        wanted.pattern_type_filter,
        wanted.principal_filter,
        wanted.host_filter,
        wanted.operation,
        wanted.permission_type,
    )


def _no_room(image: MetadataImage, made: set[Acl]) -> str | None:
    if made and len(image.acls) + len(made) > MAX_ACLS:
        return f"there would be more than {MAX_ACLS} ACLs"
    if made and sum(map(_length, image.acls.by_id.values())) + sum(map(_length, made)) > MAX_TOTAL_LENGTH:
        return f"there would be more than {MAX_TOTAL_LENGTH} characters in all ACLs together"
    return None


def _length(acl: Acl) -> int:
    return len(acl.resource_name) + len(acl.principal) + len(acl.host)


def _new_id(image: MetadataImage, randbytes: Callable[[int], bytes]) -> bytes:
    while True:
        acl_id = randbytes(16)
        if acl_id not in image.acls.by_id:
            return acl_id


def _to_create(creation: AclCreation) -> Acl:
    """Raises ApiError."""
    _refuse(creation.resource_type, ResourceType, "resourceType", ResourceType.UNKNOWN, ResourceType.ANY)
    _refuse(
        creation.resource_pattern_type,
        PatternType,
        "patternType",
        PatternType.UNKNOWN,
        PatternType.ANY,
        PatternType.MATCH,
    )
    _refuse(creation.operation, Operation, "operation", Operation.UNKNOWN, Operation.ANY)
    _refuse(creation.permission_type, Permission, "permissionType", Permission.UNKNOWN, Permission.ANY)
    if not creation.resource_name or not creation.host:
        raise ApiError(ErrorCode.INVALID_REQUEST, "an ACL has to name a resource, and a host")
    if creation.resource_type == ResourceType.CLUSTER and creation.resource_name != CLUSTER_NAME:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"the only resource of the type CLUSTER is {CLUSTER_NAME}")
    if max(map(len, (creation.resource_name, creation.principal, creation.host))) > MAX_TEXT_LENGTH:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"a name is longer than {MAX_TEXT_LENGTH} characters")
    try:
        parse_principal(creation.principal)
    except ValueError as error:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"the principal {error}") from None
    return Acl(
        creation.resource_type,
        creation.resource_name,
        creation.resource_pattern_type,
        creation.principal,
        creation.host,
        creation.operation,
        creation.permission_type,
    )


def _refuse(value: int, kind: type, name: str, *never: int) -> None:
    """Raises ApiError for what is no member, or one that an ACL cannot have."""
    if value not in kind._value2member_map_ or value in never:  # type: ignore[attr-defined]
        raise ApiError(ErrorCode.INVALID_REQUEST, f"an ACL cannot have the {name} {value}")


def _matching(acl: Acl) -> DeleteAclsMatchingAcl:
    return DeleteAclsMatchingAcl(
        0,
        None,
        acl.resource_type,
        acl.resource_name,
        acl.pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission,
    )
