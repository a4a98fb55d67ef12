"""Who may do what: list, create and delete ACLs."""

from __future__ import annotations

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.acl import Acl, Operation, PatternType, Permission, ResourceType
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
from odradek.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse
from odradek.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse


class AclFilter(Struct, frozen=True, kw_only=True):
    """Which ACLs are meant: those that are like this in everything that is said."""

    resource_type: ResourceType = ResourceType.ANY
    resource_name: str | None = None
    pattern_type: PatternType = PatternType.ANY
    """ANY: patterns that have this name. MATCH: all that speak of a resource of this name."""
    principal: str | None = None
    host: str | None = None
    operation: Operation = Operation.ANY
    permission: Permission = Permission.ANY


class AclAdmin(AdminBase):
    """All methods raise BrokerError, with SECURITY_DISABLED, where the brokers ask nobody for permission."""

    async def list_acls(self, wanted: AclFilter | None = None) -> list[Acl]:
        """All ACLs, or those that are meant."""
        chosen = wanted or AclFilter()
        request = DescribeAclsRequest(
            chosen.resource_type,
            chosen.resource_name,
            chosen.pattern_type,
            chosen.principal,
            chosen.host,
            chosen.operation,
            chosen.permission,
        )
        answer = await self._cluster.ask_any(request, DescribeAclsResponse)
        raise_for(answer.error_code, answer.error_message or "the list of ACLs")
        return [
            Acl(
                resource.resource_type,
                resource.resource_name,
                resource.pattern_type,
                each.principal,
                each.host,
                each.operation,
                each.permission_type,
            )
            for resource in answer.resources
            for each in resource.acls
        ]

    async def create_acls(self, *acls: Acl) -> None:
        """One that is there already is no mistake. Raises InvalidRequest, PolicyViolation; the others are made then."""
        creations = [
            AclCreation(
                acl.resource_type,
                acl.resource_name,
                acl.pattern_type,
                acl.principal,
                acl.host,
                acl.operation,
                acl.permission,
            )
            for acl in acls
        ]
        answer = await self._cluster.ask_any(CreateAclsRequest(creations), CreateAclsResponse)
        for result, acl in zip(answer.results, acls, strict=True):
            raise_for(result.error_code, result.error_message or str(acl))

    async def delete_acls(self, *wanted: AclFilter) -> list[Acl]:
        """What was deleted; without any filter nothing is."""
        filters = [
            DeleteAclsFilter(
                each.resource_type,
                each.resource_name,
                each.pattern_type,
                each.principal,
                each.host,
                each.operation,
                each.permission,
            )
            for each in wanted
        ]
        answer = await self._cluster.ask_any(DeleteAclsRequest(filters), DeleteAclsResponse)
        gone: dict[Acl, None] = {}
        for result in answer.filter_results:
            raise_for(result.error_code, result.error_message or "an ACL")
            for each in result.matching_acls:
                raise_for(each.error_code, each.error_message or "an ACL")
                acl = Acl(
                    each.resource_type,
                    each.resource_name,
                    each.pattern_type,
                    each.principal,
                    each.host,
                    each.operation,
                    each.permission_type,
                )
                gone[acl] = None
        return list(gone)
