"""What an operator can set about transactions."""

from __future__ import annotations

from msgspec import Struct


class TransactionSettings(Struct, frozen=True, kw_only=True):
    """The keys of the broker's configuration that the coordinator goes by, under Kafka's names."""

    transaction_max_timeout_ms: int = 900_000
    transactional_id_expiration_ms: int = 7 * 24 * 3_600_000
    transaction_remove_expired_transaction_cleanup_interval_ms: int = 3_600_000
