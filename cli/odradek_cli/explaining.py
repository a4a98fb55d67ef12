"""What `odradek acl explain` says: the decision that a broker makes, made once more by the same rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from odradek.protocol.acl import Acl, Operation, ResourceType
from odradek_broker.security.acl_index import NO_ACLS, AclDraft
from odradek_broker.security.authorizer import (
    Authorizer,
    Decision,
    Reason,
    asker,
    describe_resource,
    parse_super_users,
)

ALLOWS = {
    Operation.DESCRIBE: "Describe, Read, Write, Delete, Alter or All",
    Operation.DESCRIBE_CONFIGS: "DescribeConfigs, AlterConfigs or All",
}


def explanation(
    acls: Iterable[Acl],
    settings: Mapping[str, str],
    principal: str,
    host: str,
    operation: Operation,
    kind: ResourceType,
    name: str,
) -> Iterator[str]:
    """`acls`: those that speak of the resource. `settings`: of a broker."""
    what = f"{principal} from {host} to {operation.name} {describe_resource(kind, name)}"
    if not settings.get("authorizer.class.name"):
        yield f"allowed: {what}"
        yield "because nobody is asked for permission: authorizer.class.name is not set"
        return
    decision = decide(acls, settings, principal, host, operation, kind, name)
    yield f"{'allowed' if decision.allowed else 'refused'}: {what}"
    yield f"because {_because(decision, principal, kind, name)}"
    if not decision.allowed:
        yield f"needed: {_needed(decision, principal, operation, kind, name)}"


def decide(
    acls: Iterable[Acl],
    settings: Mapping[str, str],
    principal: str,
    host: str,
    operation: Operation,
    kind: ResourceType,
    name: str,
) -> Decision:
    draft = AclDraft(NO_ACLS)
    for number, each in enumerate(dict.fromkeys(acls)):
        draft.add(number.to_bytes(16, "big"), each)
    authorizer = Authorizer(
        parse_super_users(settings.get("super.users", "")),
        settings.get("allow.everyone.if.no.acl.found", "false") == "true",
    )
    return authorizer.decide(draft.index(), asker(principal, host), operation, kind, name)


def _because(decision: Decision, principal: str, kind: ResourceType, name: str) -> str:
    if decision.acl is not None:
        return f"of the ACL {decision.acl}"
    if decision.reason is Reason.SUPER_USER:
        return f"{principal} is among super.users"
    if decision.reason is Reason.NOT_AMONG_ITS_ACLS:
        return f"the ACLs that speak of {describe_resource(kind, name)} do not allow it"
    found = "is true" if decision.allowed else "is false"
    return f"no ACL speaks of {describe_resource(kind, name)}, and allow.everyone.if.no.acl.found {found}"


def _needed(decision: Decision, principal: str, operation: Operation, kind: ResourceType, name: str) -> str:
    if decision.acl is not None:
        return "that this ACL is removed: a prohibition wins over all that allows"
    own = operation.name.title().replace("_", "")
    option = f"--{kind.name.lower().replace('_', '-')} {name}"
    if kind is ResourceType.CLUSTER:
        option = "--cluster"
    elif kind is ResourceType.USER:
        option = f"--tokens-of {name.removeprefix('User:')}"
    user = principal.removeprefix("User:")
    return f"{ALLOWS.get(operation, f'{own} or All')}, as in: odradek acl add --user {user} --operation {own} {option}"
