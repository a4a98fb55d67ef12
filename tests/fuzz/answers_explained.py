"""Where a broker refuses a hostile request by another error than Apache Kafka 4.4.0, or one refuses what the other does
not: by API, what either says, and why that stays so.
"""

from __future__ import annotations

from typing import NamedTuple

ANY = "any"
"""Whatever the other says."""


class Explained(NamedTuple):
    """`ours` and `theirs` are parts of what is said."""

    apis: set[str]
    ours: str
    theirs: str
    why: str

    def covers(self, api: str, ours: str, theirs: str) -> bool:
        return api in self.apis and _says(self.ours, ours) and _says(self.theirs, theirs)


def _says(wanted: str, said: str) -> bool:
    return wanted == ANY or wanted in said


ORDER = "of several faults of one request, or of one part of it, another is named first; both refuse it"

EXPLAINED = [
    Explained(
        {"CreateAcls", "DeleteAcls", "DescribeAcls"},
        ANY,
        "closed",
        "a kind of resource, pattern or operation that is none ends a connection to Kafka, whose parser does not know "
        "it; ours refuses it entry by entry",
    ),
    Explained(
        {"ElectLeaders"},
        "nothing",
        "INVALID_REQUEST",
        "of a kind of election that is none Kafka also tells each partition",
    ),
    Explained(
        {"ListTransactions"},
        "INVALID_REGULAR_EXPRESSION",
        ANY,
        "patterns that one engine of regular expressions takes and another does not",
    ),
    Explained(
        {"ElectLeaders"}, ANY, "NONE", "no partition is named, so Kafka does not look at what kind of election it is"
    ),
    Explained(
        {"Fetch", "ListOffsets"},
        ANY,
        "UNKNOWN_SERVER_ERROR",
        "Kafka fails on an isolation level that there is not, which ours reads as read_uncommitted, and on a session's "
        "id below 0, of which ours knows no session",
    ),
    Explained(
        {"DescribeShareGroupOffsets"},
        "INVALID_GROUP_ID",
        ANY,
        "of a group without a name Kafka fails, or says that there is nothing; ours says what is wrong",
    ),
    Explained(
        {"DescribeTopicPartitions"},
        ANY,
        "INVALID_REQUEST",
        "a cursor at a topic that is not among those named: Kafka refuses the request, ours begins with the next "
        "topic, for the caller may have lost the permission to see that one",
    ),
    Explained(
        {"Fetch"},
        ANY,
        "NOT_LEADER_OR_FOLLOWER",
        "a fetch in the name of a replica that is the broker itself: Kafka knows no such follower, ours lets anybody "
        "read who says nothing of a broker's epoch",
    ),
    Explained({"UpdateFeatures"}, "INVALID_REQUEST", ANY, "of a feature that is named twice Kafka takes the last"),
    Explained({"AlterUserScramCredentials"}, "DUPLICATE_RESOURCE", ANY, ORDER),
    Explained({"AlterUserScramCredentials"}, "UNACCEPTABLE_CREDENTIAL", ANY, ORDER),
    Explained({"AlterUserScramCredentials"}, ANY, "UNSUPPORTED_SASL_MECHANISM", ORDER),
    Explained({"ListOffsets"}, "UNKNOWN_LEADER_EPOCH", "UNSUPPORTED_VERSION", ORDER),
    Explained({"ListOffsets"}, "nothing", "UNKNOWN_TOPIC_OR_PARTITION", ORDER),
    Explained({"Produce"}, "INVALID_REQUIRED_ACKS", "UNKNOWN_TOPIC_OR_PARTITION", ORDER),
    Explained({"Produce"}, "INVALID_TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PARTITION", ORDER),
    Explained({"ShareAcknowledge", "ShareFetch"}, "INVALID_REQUEST", "SHARE_SESSION_NOT_FOUND", ORDER),
    Explained(
        {"Produce"},
        ANY,
        "UNKNOWN_SERVER_ERROR",
        "Kafka's validation of a hostile batch ends in an exception that it has not foreseen; ours says what is wrong, "
        "or finds nothing that is",
    ),
    Explained({"CreatePartitions"}, "INVALID_PARTITIONS", "INVALID_REPLICA_ASSIGNMENT", ORDER),
    Explained({"ShareGroupHeartbeat"}, "UNKNOWN_MEMBER_ID", "INVALID_REQUEST", ORDER),
    Explained({"ShareGroupHeartbeat"}, "GROUP_ID_NOT_FOUND", "INVALID_REQUEST", ORDER),
    Explained({"TxnOffsetCommit"}, "INVALID", "INVALID_GROUP_ID", ORDER),
]


def why(api: str, ours: str, theirs: str) -> str | None:
    """The reason, or None where there is none."""
    return next((each.why for each in EXPLAINED if each.covers(api, ours, theirs)), None)
