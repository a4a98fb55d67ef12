"""Keys and values of __share_group_state: what a share coordinator keeps of each share partition (KIP-932).

Now and then a snapshot, in between updates. Framed as in group_metadata: an int16 kind (API_KEY) before a key, an int16
version before a value.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int8, Int16, Int32, Int64, String, Tag, Uuid


class ShareSnapshotKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    topic_id: Uuid = ZERO_UUID
    partition: Int32 = 0


class StateBatch(Struct, frozen=True):
    first_offset: Int64 = 0
    last_offset: Int64 = 0
    delivery_state: Int8 = 0
    """0 available, 2 acknowledged, 4 archived."""
    delivery_count: Int16 = 0


class ShareSnapshotValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 0
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    snapshot_epoch: Int32 = 0
    state_epoch: Int32 = 0
    leader_epoch: Int32 = 0
    start_offset: Int64 = 0
    delivery_complete_count: Annotated[Int32, Tag(0)] = -1
    create_timestamp: Int64 = 0
    write_timestamp: Int64 = 0
    state_batches: Array[StateBatch] = ()


class ShareUpdateKey(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    group_id: String = ""
    topic_id: Uuid = ZERO_UUID
    partition: Int32 = 0


class ShareUpdateValue(Struct, frozen=True):
    API_KEY: ClassVar[int] = 1
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    snapshot_epoch: Int32 = 0
    leader_epoch: Int32 = 0
    start_offset: Int64 = 0
    delivery_complete_count: Annotated[Int32, Tag(0)] = -1
    state_batches: Array[StateBatch] = ()
