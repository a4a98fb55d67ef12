"""The fuzzer's requests, sent to a broker and to Apache Kafka alike: what either refuses, the other is to refuse as
well, by the same error.

Only whole requests count, of APIs and versions that both advertise. A case is one number; both are asked in the same
order, so that each case finds the same topics and settings at both. Where somebody's time was over, or nobody answers,
nothing is compared. Why some answers differ all the same is in answers_explained.py.
"""

from __future__ import annotations

import socket
import struct
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from msgspec import structs

from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import encode_request, read_request_header, read_response_header
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.registry import response_class
from odradek_broker.apis import Api, load_apis
from tests.fuzz.hostile_cases import GROUPS, IDS, TOPICS, Cases, Frame

PATIENCE_SECONDS = 3.0
CLOSED, SILENT = "closed", "silent"
NOT_COMPARED = {
    "UnregisterBroker": "neither takes anything in hand again after it",
    "PushTelemetry": "Kafka answers by a plugin that it has, or not",
    "GetTelemetrySubscriptions": "the same",
    "AlterShareGroupOffsets": "it makes a group that Kafka does not keep: what comes later would find other groups",
    "WriteTxnMarkers": "brokers alone ask it of each other, and Kafka's fails on most that a broker would not ask",
    "InitializeShareGroupState": "the same of brokers, and Kafka's leaves partitions out of its answer that it refuses",
    "ReadShareGroupState": "the same",
    "WriteShareGroupState": "the same",
    "DeleteShareGroupState": "the same",
    "ReadShareGroupStateSummary": "the same",
}
AGAIN = {"COORDINATOR_LOAD_IN_PROGRESS", "CONCURRENT_TRANSACTIONS", "COORDINATOR_NOT_AVAILABLE"}
"""Whoever says so is asked again: that is no answer yet."""
AGAIN_SECONDS, ATTEMPTS = 0.1, 30

Codes = frozenset[tuple[str, str]]
"""Which errors stand where in an answer; not how often, for who is asked of something twice may answer once."""


class Difference(NamedTuple):
    number: int
    api: str
    version: int
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"case {self.number}, {self.api} version {self.version}: ours {self.ours}, Kafka's {self.theirs}"


class Asked:
    """One broker, by one connection at a time."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._address = host, int(port)
        self._connection: socket.socket | None = None

    def ask(self, request: Any, response: type[Any], version: int) -> Any:
        pieces: list[Any] = list(encode_request(request, version, 1, "beside"))
        answer = self.send(b"".join(pieces)[4:])
        assert isinstance(answer, bytes), answer
        _, position = read_response_header(memoryview(answer), response, version)
        return decode(response, answer, version, position)

    def send(self, frame: Frame) -> bytes | str:
        """The answer, or CLOSED, or SILENT."""
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=PATIENCE_SECONDS)
        try:
            self._connection.sendall(struct.pack(">i", len(frame)) + frame)
            (size,) = struct.unpack(">i", self._exactly(4))
            return self._exactly(size)
        except TimeoutError:
            self.close()
            return SILENT
        except OSError:
            self.close()
            return CLOSED

    def outcome(self, frame: Frame) -> Codes | str:
        """What it answers in the end."""
        for _ in range(ATTEMPTS):
            found = _outcome(self.send(frame), frame)
            if isinstance(found, str) or not any(name in AGAIN for _, name in found):
                break
            time.sleep(AGAIN_SECONDS)
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exactly(self, count: int) -> bytes:
        assert self._connection is not None
        received = bytearray()
        while len(received) < count:
            more = self._connection.recv(count - len(received))
            if not more:
                raise ConnectionResetError
            received += more
        return bytes(received)

    def versions(self) -> dict[int, range]:
        answer = self.ask(ApiVersionsRequest("fuzz", "1"), ApiVersionsResponse, 3)
        return {each.api_key: range(each.min_version, each.max_version + 1) for each in answer.api_keys}

    def prepare(self) -> list[bytes]:
        """Topics, and their ids."""
        topics = [CreatableTopic(name, num_partitions=2, replication_factor=1) for name in TOPICS]
        self.ask(CreateTopicsRequest(topics=topics, timeout_ms=30_000), response_class(CreateTopicsRequest.API_KEY), 7)
        while True:
            known = self.ask(MetadataRequest(None), MetadataResponse, 12).topics
            ids = {each.name: each.topic_id for each in known if each.error_code == ErrorCode.NONE}
            if set(TOPICS) <= set(ids):
                break
        shared = urlsafe_b64encode(ids["orders"]).rstrip(b"=").decode()
        for key_type, names in ((0, GROUPS), (1, ("tx",)), (2, (f"g:{shared}:0",))):
            for name in names:
                self._find_coordinator(key_type, name)
        return [ids[name] for name in TOPICS]

    def _find_coordinator(self, key_type: int, name: str) -> None:
        """Until there is one: what is asked before that is refused for that alone."""
        question = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[name])
        while self.ask(question, FindCoordinatorResponse, 6).coordinators[0].error_code:
            pass


class FreshCases(Cases):
    """Each number has groups and transactional ids of its own: which there are from before depends on who was fast."""

    number = 0

    def _sensible_text(self, random: Random, name: str, value: str) -> str | None:
        text = super()._sensible_text(random, name, value)
        return f"{text}{self.number}" if text in (*GROUPS, *IDS) and text else text


def differences(ours: Asked, theirs: Asked, numbers: range) -> Iterator[Difference | None]:
    """For each case that both have been asked, what differs, or None."""
    our_apis = _apis_of_both(ours.versions(), theirs.versions())
    our_cases = FreshCases(our_apis, ours.prepare(), learns=False)
    their_cases = FreshCases(our_apis, theirs.prepare(), learns=False)
    for number in numbers:
        frame, same = _request(our_cases, number), _request(their_cases, number)
        if frame is None or same is None:
            continue
        header, _ = read_request_header(memoryview(frame))
        api = next(each for each in our_apis if header.api_key == each.request.API_KEY)
        found, wanted = ours.outcome(frame), theirs.outcome(same)
        if found == wanted or _is_of_time(found) or _is_of_time(wanted):
            yield None
        else:
            yield Difference(number, api.name, header.api_version, *_told_apart(found, wanted))


def _apis_of_both(ours: dict[int, range], theirs: dict[int, range]) -> list[Api]:
    made = []
    for key, api in load_apis().items():
        both = [each for each in api.versions if each in ours.get(key, ()) and each in theirs.get(key, ())]
        if both and api.name not in NOT_COMPARED:
            made.append(structs.replace(api, versions=range(both[0], both[-1] + 1)))
    return made


def _request(cases: FreshCases, number: int) -> Frame | None:
    """Whole ones only."""
    cases.number = number
    with suppress(ProtocolError, ValueError, TypeError, OverflowError, AttributeError, struct.error):
        return cases._request(Random(number))
    return None


def _outcome(answer: bytes | str, frame: Frame) -> Codes | str:
    if isinstance(answer, str):
        return answer
    header, _ = read_request_header(memoryview(frame))
    kind = response_class(header.api_key)
    _, position = read_response_header(memoryview(answer), kind, header.api_version)
    return frozenset(_codes_in(decode(kind, answer, header.api_version, position), ""))


def _codes_in(message: Any, path: str) -> Iterator[tuple[str, str]]:
    for name in getattr(message, "__struct_fields__", ()):
        value = getattr(message, name)
        if name == "error_code":
            yield path, ErrorCode.from_code(value).name
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes | memoryview):
            for each in value:
                yield from _codes_in(each, f"{path}/{name}")


def _is_of_time(outcome: Codes | str) -> bool:
    """Whether it says how fast somebody was: many a request gives itself no time at all."""
    if isinstance(outcome, str):
        return outcome == SILENT
    return any(name == ErrorCode.REQUEST_TIMED_OUT.name for _, name in outcome)


def _told_apart(found: Codes | str, wanted: Codes | str) -> tuple[str, str]:
    if isinstance(found, str) or isinstance(wanted, str):
        return _told(found), _told(wanted)
    return _told(found - wanted), _told(wanted - found)


def _told(codes: Codes | str) -> str:
    if isinstance(codes, str):
        return codes
    return ", ".join(sorted(f"{path}:{name}" for path, name in codes)) or "nothing"
