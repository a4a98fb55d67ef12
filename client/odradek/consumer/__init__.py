"""The consumer. Reading order: consumer, cursor, partition, fetch_requests, fetcher; membership, group, rebalance."""

from odradek.consumer.consumer import Consumer
from odradek.consumer.health import ConsumerHealth

__all__ = ["Consumer", "ConsumerHealth"]
