"""Keys of who may do what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from odradek_broker.config.setting import BOOLEAN, CLASS, LONG, STRING, Setting, SettingError, at_least, either, one_of
from odradek_broker.config.share_keys import ShareCoordinatorConfig
from odradek_broker.config.units import KIB, MIB
from odradek_broker.security.authorizer import parse_super_users

STANDARD_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


class SuperUsers(Struct, frozen=True):
    """Principals, as `User:alice`."""

    names: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return ";".join(sorted(self.names))


def _parse_super_users(text: str) -> SuperUsers:
    try:
        return SuperUsers(parse_super_users(text))
    except ValueError as error:
        raise SettingError(f"must be principals with semicolons between them: {error}") from None


class PermissionConfig(ShareCoordinatorConfig, frozen=True, kw_only=True):
    """Whether anybody is asked for permission, and what holds beside the ACLs."""

    authorizer_class_name: Annotated[
        str,
        Setting(
            f"Who decides about permissions: {STANDARD_AUTHORIZER}, or nobody; then everybody may do everything.",
            CLASS,
            one_of("", STANDARD_AUTHORIZER),
        ),
    ] = ""
    super_users: Annotated[
        SuperUsers,
        Setting(
            "Principals that may do everything, as User:alice;User:bob. Brokers have to be among them.",
            STRING,
            build=_parse_super_users,
        ),
    ] = SuperUsers()
    audit_log_file: Annotated[
        str,
        Setting(
            "Where it is written who has asked for what; where not set, audit.jsonl in the data directory. "
            "A key of Odradek's own.",
            STRING,
        ),
    ] = ""
    audit_log_max_bytes: Annotated[
        int,
        Setting(
            "How large that may be, with the file before it; 0 for none at all. A key of Odradek's own.",
            LONG,
            either(0, at_least(64 * KIB)),
        ),
    ] = 64 * MIB
    allow_everyone_if_no_acl_found: Annotated[
        bool, Setting("Whether everybody may use what no ACL speaks of.", BOOLEAN)
    ] = False
