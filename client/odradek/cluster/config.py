"""What every client can be told: how it reaches the cluster, and how long it waits for it."""

from __future__ import annotations

from typing import TypedDict

from msgspec import Struct

from odradek.network import Surroundings
from odradek.security import NO_SECURITY, Security


class ClientOptions(TypedDict, total=False):
    """The keyword arguments that all clients have; ClientConfig says what they are when left out."""

    request_timeout_ms: int
    connect_timeout_ms: int
    retry_backoff_ms: int
    metadata_max_age_ms: int
    client_id: str
    security: Security
    surroundings: Surroundings


class ClientConfig(Struct, frozen=True, kw_only=True):
    """Each default in one place, but for `client_id`: each kind of client has its own."""

    request_timeout_ms: int = 30_000
    connect_timeout_ms: int = 10_000
    retry_backoff_ms: int = 100
    metadata_max_age_ms: int = 300_000
    client_id: str = "odradek"
    security: Security = NO_SECURITY
    """Whether TLS is spoken, and who we are."""
    surroundings: Surroundings = Surroundings()
