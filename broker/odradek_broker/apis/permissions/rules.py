"""The kinds of rules. A rule looks at a request before its handler does, and may complete the handler's answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct, structs

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek_broker.apis.permissions.asking import Asking, NotPermitted
from odradek_broker.apis.permissions.entries import Entries

Finish: TypeAlias = Callable[[Any], Any]
"""Completes an answer; is given None where there is to be none."""

ERRORS = {
    ResourceType.TOPIC: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ResourceType.GROUP: ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ResourceType.CLUSTER: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ResourceType.TRANSACTIONAL_ID: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
"""What is answered where something may not be done with a resource of the type."""


class Ruling(NamedTuple):
    request: Any
    """What its handler is to see."""
    finish: Finish | None = None


Rule: TypeAlias = Callable[[Any, int, Asking], Ruling]
"""Of a request, its version, and who asks. Raises NotPermitted."""


class Permissions(Struct, frozen=True):
    """Of one API."""

    rules: tuple[Rule, ...]
    refuse: Callable[[Any, int, ErrorCode], Any]
    """The answer to a request, in its version, that is refused as a whole."""


# ------------------------------------------------------------------------------------------------ the whole request


def cluster(*operations: Operation) -> Rule:
    """Any one of them is enough."""

    def rule(request: Any, version: int, asking: Asking) -> Ruling:
        *others, last = operations
        if not any(asking.may_cluster(each, quietly=True) for each in others) and not asking.may_cluster(last):
            raise NotPermitted(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
        return Ruling(request)

    return rule


def group(operation: Operation) -> Rule:
    return _named(operation, ResourceType.GROUP, "group_id")


def transactional_id(operation: Operation) -> Rule:
    """Where the request has one."""
    return _named(operation, ResourceType.TRANSACTIONAL_ID, "transactional_id")


def _named(operation: Operation, resource_type: ResourceType, field: str) -> Rule:
    def rule(request: Any, version: int, asking: Asking) -> Ruling:
        name = getattr(request, field)
        if name is not None and not asking.may(operation, resource_type, name):
            raise NotPermitted(ERRORS[resource_type])
        return Ruling(request)

    return rule


# ---------------------------------------------------------------------------------------------------- each by itself


def each(entries: Entries, operation: Operation, resource_type: ResourceType = ResourceType.TOPIC) -> Rule:
    """Entries that may not be are refused, and the others handled."""

    def rule(request: Any, version: int, asking: Asking) -> Ruling:
        permitted, refused = [], []
        for entry in getattr(request, entries.asked) or ():
            name = entries.name(entry, asking)
            if name is None or asking.may(operation, resource_type, name):
                permitted.append(entry)
            else:
                refused.append(entries.refuse(entry, ERRORS[resource_type]))
        return without(request, entries, permitted, refused)

    return rule


def without(request: Any, entries: Entries, permitted: Sequence[Any], refused: Sequence[Any]) -> Ruling:
    """Only the permitted entries are handled, and the refused ones stand in the answer."""
    if not refused:
        return Ruling(request)
    reduced = structs.replace(request, **{entries.asked: permitted})
    return Ruling(reduced, partial(add, entries.answered, refused))


def add(field: str, more: Sequence[Any], response: Any) -> Any:
    """Unless the answer is an error as a whole."""
    if getattr(response, "error_code", 0):
        return response
    return structs.replace(response, **{field: [*getattr(response, field), *more]})


# ------------------------------------------------------------------------------------------------------------ hiding


def hide(field: str, operation: Operation, resource_type: ResourceType, name: Callable[[Any], str]) -> Rule:
    """Of the answer's entries only those are told that may be known of."""

    def keep(asking: Asking, response: Any) -> Any:
        known = [
            entry
            for entry in getattr(response, field)
            if asking.may(operation, resource_type, name(entry), quietly=True)
        ]
        return structs.replace(response, **{field: known})

    return lambda request, version, asking: Ruling(request, partial(keep, asking))


def unless(operation: Operation, rule: Rule) -> Rule:
    """The rule, for whom the operation on the cluster is not permitted."""

    def either(request: Any, version: int, asking: Asking) -> Ruling:
        if asking.may_cluster(operation, quietly=True):
            return Ruling(request)
        return rule(request, version, asking)

    return either
