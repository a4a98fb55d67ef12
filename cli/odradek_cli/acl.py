"""`odradek acl`: add, list, remove, explain."""

from __future__ import annotations

from typing import Annotated, Any

from odradek import Admin
from odradek.admin import Acl, AclFilter
from odradek.admin import ResourceType as ConfigType
from odradek.protocol.acl import CLUSTER_NAME, Operation, PatternType, Permission, ResourceType
from odradek_cli.command import Group, Option, UsageError
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for

acl = Group("acl", "Who may do what.")

EVERYTHING: list[tuple[ResourceType, str | None]] = [(ResourceType.ANY, None)]

Topic = Annotated[str | None, Option(help="A topic.", completes="topic")]
OfGroup = Annotated[str | None, Option("--group", help="A consumer group.", completes="group")]
TransactionalId = Annotated[str | None, Option(help="A transactional id.")]
Token = Annotated[str | None, Option("--delegation-token", help="The id of a delegation token.")]
TokensOf = Annotated[str | None, Option("--tokens-of", help="The delegation tokens of a user.")]
Cluster = Annotated[bool, Option(help="The cluster itself.")]
Prefix = Annotated[bool, Option(help="Every name that begins so.")]
Host = Annotated[str, Option(help="The address from which it is asked, or *.")]
Operations = Annotated[
    list[str] | None, Option("--operation", "-o", help="As Read, Write, Describe, AlterConfigs; or All.")
]


@acl.command()
def add(
    user: Annotated[list[str], Option(help="A user's name, * for everybody, or TYPE:NAME.")],
    operation: Operations = None,
    topic: Topic = None,
    group: OfGroup = None,
    transactional_id: TransactionalId = None,
    cluster: Cluster = False,
    delegation_token: Token = None,
    tokens_of: TokensOf = None,
    prefix: Prefix = False,
    host: Host = "*",
    deny: Annotated[bool, Option(help="Prohibit it: that wins over all that allows it.")] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Allow users something, or prohibit it."""
    if not operation:
        raise UsageError("say what may be done: --operation Read")
    pattern = PatternType.PREFIXED if prefix else PatternType.LITERAL
    permission = Permission.DENY if deny else Permission.ALLOW
    acls = [
        Acl(kind, name, pattern, principal_of(each), host, operation_of(one), permission)
        for kind, name in resources(topic, group, transactional_id, cluster, delegation_token, tokens_of)
        for each in user
        for one in operation
    ]

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await admin.create_acls(*acls)
        for each in acls:
            print(each)

    run(work, bootstrap)


@acl.command("list")
def list_acls(
    user: Annotated[str | None, Option(help="Only those of this user.")] = None,
    topic: Topic = None,
    group: OfGroup = None,
    transactional_id: TransactionalId = None,
    cluster: Cluster = False,
    delegation_token: Token = None,
    tokens_of: TokensOf = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List ACLs: all, or those that speak of a resource."""
    found = resources(topic, group, transactional_id, cluster, delegation_token, tokens_of, at_least_one=False)
    wanted = [
        AclFilter(
            resource_type=kind,
            resource_name=name,
            pattern_type=PatternType.ANY if name is None else PatternType.MATCH,
            principal=None if user is None else principal_of(user),
        )
        for kind, name in found or EVERYTHING
    ]

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            acls = [acl for each in wanted for acl in await admin.list_acls(each)]
        columns = ["permission", "user", "host", "operation", "resource", "pattern", "name"]
        show(columns, [_row(each) for each in sorted(acls, key=str)], as_json=as_json)

    run(work, bootstrap)


@acl.command()
def remove(
    user: Annotated[str | None, Option(help="Only those of this user.")] = None,
    operation: Annotated[str | None, Option("--operation", "-o", help="Only those for this.")] = None,
    topic: Topic = None,
    group: OfGroup = None,
    transactional_id: TransactionalId = None,
    cluster: Cluster = False,
    delegation_token: Token = None,
    tokens_of: TokensOf = None,
    prefix: Prefix = False,
    host: Annotated[str | None, Option(help="Only those from this address, or *.")] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Take ACLs back, and show which they were."""
    found = resources(topic, group, transactional_id, cluster, delegation_token, tokens_of, at_least_one=False)
    if not found and user is None:
        raise UsageError("say which: --user, --topic, --group, --transactional-id or --cluster")
    wanted = [
        AclFilter(
            resource_type=kind,
            resource_name=name,
            pattern_type=PatternType.ANY if name is None else PatternType.PREFIXED if prefix else PatternType.LITERAL,
            principal=None if user is None else principal_of(user),
            host=host,
            operation=Operation.ANY if operation is None else operation_of(operation),
        )
        for kind, name in found or EVERYTHING
    ]

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            gone = await admin.delete_acls(*wanted)
        if not gone:
            raise Failed("there is no such ACL")
        for each in gone:
            print(each)

    run(work, bootstrap)


@acl.command()
def explain(
    user: Annotated[str, Option(help="A user's name, or TYPE:NAME.")],
    operation: Annotated[str, Option("--operation", "-o", help="As Read, Write, Describe, AlterConfigs.")],
    topic: Topic = None,
    group: OfGroup = None,
    transactional_id: TransactionalId = None,
    cluster: Cluster = False,
    delegation_token: Token = None,
    tokens_of: TokensOf = None,
    host: Annotated[str, Option(help="The address from which it is asked.")] = "127.0.0.1",
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Whether a user may do something, by which rule, and what would be needed."""
    [(kind, name), *more] = resources(topic, group, transactional_id, cluster, delegation_token, tokens_of)
    if more:
        raise UsageError("explain one resource at a time")
    wanted = operation_of(operation)

    async def work() -> None:
        from odradek_cli.explaining import explanation

        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            broker = (await admin.describe_cluster()).brokers[0].node_id
            settings = await admin.describe_configs(str(broker), ConfigType.BROKER)
            values = {key: entry.value or "" for key, entry in settings.items()}
            speaking = AclFilter(resource_type=kind, resource_name=name, pattern_type=PatternType.MATCH)
            acls = await admin.list_acls(speaking) if values.get("authorizer.class.name") else []
        for line in explanation(acls, values, principal_of(user), host, wanted, kind, name):
            print(line)

    run(work, bootstrap)


def resources(
    topic: str | None,
    group: str | None,
    transactional_id: str | None,
    cluster: bool,
    delegation_token: str | None,
    tokens_of: str | None,
    *,
    at_least_one: bool = True,
) -> list[tuple[ResourceType, str]]:
    """What is named. Raises UsageError."""
    named = [
        (ResourceType.TOPIC, topic),
        (ResourceType.GROUP, group),
        (ResourceType.TRANSACTIONAL_ID, transactional_id),
        (ResourceType.CLUSTER, CLUSTER_NAME if cluster else None),
        (ResourceType.DELEGATION_TOKEN, delegation_token),
        (ResourceType.USER, None if tokens_of is None else principal_of(tokens_of)),
    ]
    found = [(kind, name) for kind, name in named if name is not None]
    if at_least_one and not found:
        raise UsageError("say of what: --topic, --group, --transactional-id or --cluster")
    return found


def principal_of(user: str) -> str:
    """`alice` stands for User:alice."""
    return user if ":" in user else f"User:{user}"


def operation_of(text: str) -> Operation:
    """As Kafka writes it (AlterConfigs), or as it is spelled here. Raises UsageError."""
    plain = text.replace("_", "").replace("-", "").upper()
    for operation in Operation:
        if operation > Operation.ANY and operation.name.replace("_", "") == plain:
            return operation
    names = ", ".join(each.name.title().replace("_", "") for each in Operation if each > Operation.ANY)
    raise UsageError(f"--operation {text}: one of {names}")


def _row(acl: Acl) -> dict[str, Any]:
    permission, _, _ = str(acl).partition(" ")
    words = str(acl).split(" on ", 1)[1].split(":", 2)
    return {
        "permission": permission.lower(),
        "user": acl.principal,
        "host": acl.host,
        "operation": Operation(acl.operation).name.lower() if acl.operation in list(Operation) else acl.operation,
        "resource": words[0].lower(),
        "pattern": words[1].lower(),
        "name": acl.resource_name,
    }
