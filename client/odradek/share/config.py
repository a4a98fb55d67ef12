"""What a share consumer can be told, each default in one place."""

from __future__ import annotations

from odradek.cluster.config import ClientConfig, ClientOptions


class ShareConsumerOptions(ClientOptions, total=False):
    """The keyword arguments of ShareConsumer; ShareConsumerConfig says what each means."""

    max_poll_records: int
    fetch_max_bytes: int
    fetch_min_bytes: int
    fetch_max_wait_ms: int
    decompressed_max_bytes: int
    close_timeout_ms: int
    client_rack: str | None


class ShareConsumerConfig(ClientConfig, frozen=True, kw_only=True):
    """Checked when made: raises ValueError. How long records are ours, how often they come again, and where a new group
    begins, is for the broker to say: share.* of the group's configuration."""

    max_poll_records: int = 500
    """Records that are asked for at once: so many may be in our hands, and in nobody else's. A batch is not divided
    unless the broker can do it, so it may be some more."""
    fetch_max_bytes: int = 50 * 1024 * 1024
    fetch_min_bytes: int = 1
    fetch_max_wait_ms: int = 500
    decompressed_max_bytes: int = 64 * 1024 * 1024
    """What one batch may swell to when its compression is undone."""
    close_timeout_ms: int = 5_000
    """How long the end of the scope takes at most to tell what became of records, and to leave."""
    client_id: str = "odradek-share-consumer"
    client_rack: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_poll_records", "fetch_max_bytes", "decompressed_max_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be positive")
