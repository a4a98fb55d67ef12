"""Which partition of a coordinator's topic a group or a transactional id belongs to."""

from __future__ import annotations


def java_hash(text: str) -> int:
    """What String.hashCode() says in Java, as an unsigned 32-bit number: it runs over UTF-16 units."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for position in range(0, len(units), 2):
        value = (31 * value + (units[position] << 8 | units[position + 1])) & 0xFFFF_FFFF
    return value


def coordinator_partition(name: str, partitions: int) -> int:
    """The partition of __consumer_offsets (or __transaction_state) that keeps the state of `name`."""
    return (java_hash(name) & 0x7FFF_FFFF) % partitions
