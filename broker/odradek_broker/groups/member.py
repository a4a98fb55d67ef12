"""A member of a classic group."""

from __future__ import annotations

from collections.abc import Container, Mapping

from msgspec import Struct, field

from odradek.protocol.messages.group_metadata import MemberMetadata


class Member(Struct, kw_only=True):
    """One consumer (or worker, or whatever else forms groups) as the coordinator knows it."""

    member_id: str
    group_instance_id: str | None = None
    """Set for a static member, which keeps its place through a restart (KIP-345)."""
    client_id: str = ""
    client_host: str = ""
    session_timeout_ms: int = 0
    rebalance_timeout_ms: int = 0
    protocols: dict[str, bytes] = field(default_factory=dict)
    """Name to metadata, the one it likes best first."""
    assignment: bytes = b""
    join_ticket: int | None = None
    """The JoinGroup that waits for the rebalance to end."""
    sync_ticket: int | None = None
    """The SyncGroup that waits for the leader's assignment."""
    is_new: bool = False
    """It has not been told its id yet, so it cannot send heartbeats."""

    @property
    def is_static(self) -> bool:
        return self.group_instance_id is not None

    @property
    def is_waiting(self) -> bool:
        return self.join_ticket is not None or self.sync_ticket is not None

    def has_protocols(self, protocols: Mapping[str, bytes]) -> bool:
        """Whether these are the same, in the same order, with the same metadata."""
        return list(self.protocols.items()) == list(protocols.items())

    def vote(self, candidates: Container[str]) -> str:
        """The candidate that it likes best; it supports every one of them."""
        return next(name for name in self.protocols if name in candidates)

    def recorded(self, protocol: str, assignment: bytes) -> MemberMetadata:
        return MemberMetadata(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout=self.rebalance_timeout_ms,
            session_timeout=self.session_timeout_ms,
            subscription=self.protocols[protocol],
            assignment=assignment,
        )

    @classmethod
    def restored(cls, recorded: MemberMetadata, protocol: str) -> Member:
        """The member that a record speaks of: of its protocols, only the chosen one is written down."""
        timeout_ms = recorded.session_timeout
        return cls(
            member_id=recorded.member_id,
            group_instance_id=recorded.group_instance_id,
            client_id=recorded.client_id,
            client_host=recorded.client_host,
            session_timeout_ms=timeout_ms,
            rebalance_timeout_ms=timeout_ms if recorded.rebalance_timeout < 0 else recorded.rebalance_timeout,
            protocols={protocol: bytes(recorded.subscription)},
            assignment=bytes(recorded.assignment),
        )
