"""Keys and values of control records: the ends of transactions, and what a raft log says about itself.

A control record's key is ControlRecordTypeSchema behind an int16 version; its type says what the value is: 0 abort, 1
commit, 2 leader change, 3 snapshot header, 4 snapshot footer, 5 kraft version, 6 voters. The value of a transaction
marker also stands behind an int16 version; the others carry their version as their first field.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Int16, Int32, Int64, Since, String, UInt16, Uuid


class ControlRecordTypeSchema(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    type: Int16 = 0


class EndTxnMarker(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = None

    coordinator_epoch: Int32 = 0


class LeaderChangeMessageVoter(Struct, frozen=True):
    voter_id: Int32 = 0
    voter_directory_id: Annotated[Uuid, Since(1)] = ZERO_UUID


class LeaderChangeMessage(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(2)
    FLEXIBLE: ClassVar[int | None] = 0

    version: Int16 = 0
    leader_id: Int32 = 0
    voters: Array[LeaderChangeMessageVoter] = ()
    granting_voters: Array[LeaderChangeMessageVoter] = ()


class SnapshotHeaderRecord(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    version: Int16 = 0
    last_contained_log_timestamp: Int64 = 0


class SnapshotFooterRecord(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    version: Int16 = 0


class KRaftVersionRecord(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    version: Int16 = 0
    kraft_version: Int16 = 0


class Endpoint(Struct, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0


class KRaftVersionFeature(Struct, frozen=True):
    min_supported_version: Int16 = 0
    max_supported_version: Int16 = 0


class VotersRecordVoter(Struct, frozen=True):
    voter_id: Int32 = 0
    voter_directory_id: Uuid = ZERO_UUID
    endpoints: Array[Endpoint] = ()
    kraft_version_feature: KRaftVersionFeature = KRaftVersionFeature()


class VotersRecord(Struct, frozen=True):
    VERSIONS: ClassVar[range] = range(1)
    FLEXIBLE: ClassVar[int | None] = 0

    version: Int16 = 0
    voters: Array[VotersRecordVoter] = ()
