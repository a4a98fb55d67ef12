"""What was asked and decided is in a file, which does not grow without bound."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import trio

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.sasl.plain import PlainExchange
from odradek.protocol.sasl.scram import ScramExchange
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.node import audit_log
from odradek_broker.node.audit_log import FILE
from odradek_broker.security.authorizer import Decision, Reason
from tests.server.served_broker import produce, serving
from tests.server.test_logins import begin, log_in


def files_in(directory: Path) -> list[Path]:
    return list(directory.rglob(f"{FILE}*"))


async def test_a_refusal_is_in_the_file_when_the_broker_has_stopped(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        peer = await served.connect()
        for _ in range(3):
            await peer.produce(produce(b"x"))
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text("utf-8").splitlines()]
    assert sum(line["times"] for line in lines) == 3
    assert {line["rule"] for line in lines} == {"no ACL speaks of it"}
    assert {(line["principal"], line["request"], line["operation"], line["resource"]) for line in lines} == {
        ("User:ANONYMOUS", "Produce", "WRITE", "TOPIC:t")
    }


async def test_without_an_authorizer_or_without_room_there_is_no_file(tmp_path: Path) -> None:
    async with serving(tmp_path / "open") as served:
        assert served.broker.audit_log is None
    settings = {"authorizer_class_name": STANDARD_AUTHORIZER, "audit_log_max_bytes": "0"}
    async with serving(tmp_path / "silent", **settings) as served:
        assert await (await served.connect()).is_answered()
    assert not files_in(tmp_path)


async def test_the_files_stay_within_their_bound(tmp_path: Path) -> None:
    most = 64 * 1024
    settings = {"authorizer_class_name": STANDARD_AUTHORIZER, "audit_log_max_bytes": str(most)}
    async with serving(tmp_path, **settings) as served:
        log = served.broker.audit_log
        assert log is not None
        for number in range(2000):
            decision = Decision(False, Reason.NOT_AMONG_ITS_ACLS)
            log.note("User:a", f"::{number:x}", "Fetch", Operation.READ, ResourceType.TOPIC, f"t{number}", decision)
        log.close()
    sizes = [file.stat().st_size for file in files_in(tmp_path)]
    assert len(sizes) == 2
    assert most / 4 < sum(sizes) <= most
    newest = (tmp_path / FILE).read_text("utf-8").splitlines()[-1]
    assert json.loads(newest)["resource"] == "TOPIC:t1999"


async def test_of_long_names_no_more_is_kept_than_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        log = served.broker.audit_log
        assert log is not None
        decision = Decision(False, Reason.NOT_AMONG_ITS_ACLS)
        log.note("User:a", "::1", "Fetch", Operation.READ, ResourceType.TOPIC, 30_000 * "t", decision)
        (kept,) = log._audit._kept
        assert len(kept.resource) < 1_000


PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder";'


async def test_logins_that_were_refused_are_in_it_with_whom_they_were_to_be_for(tmp_path: Path) -> None:
    """By SaslAuthenticate, by bare tokens, and by a mechanism that there is not; without anybody's password."""
    settings = {
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": PLAIN,
        "connection.failed.authentication.delay.ms": "0",
    }
    async with serving(tmp_path, **settings) as served:
        await log_in(await served.connect(), PlainExchange("alice", "guess"))
        await log_in(await served.connect(), ScramExchange("SCRAM-SHA-256", "x" * 5_000, "guess", "nonce"))
        bare = await served.connect()
        await begin(bare, "PLAIN", version=0)
        await bare.stream.send_all(len(b"\0bob\0guess").to_bytes(4, "big") + b"\0bob\0guess")
        assert await bare.is_closed()
        other = await served.connect()
        await begin(other, "GSSAPI")
        assert await other.is_closed()
        await log_in(await served.connect(), PlainExchange("alice", "wonder"))
    text = (tmp_path / FILE).read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(each["operation"], each["resource"]) for each in lines] == [
        ("PLAIN", "USER:alice"),
        ("SCRAM-SHA-256", f"USER:{'x' * 100}"),
        ("PLAIN", "USER:bob"),
        ("", "USER:"),
    ]
    assert {each["request"] for each in lines} == {"SaslAuthenticate"}
    assert not any(each["allowed"] for each in lines)
    assert "guess" not in text and "wonder" not in text


async def test_what_a_cancelled_run_had_taken_is_written_when_the_log_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        log = served.broker.audit_log
        assert log is not None

    async def never(job: object) -> None:
        await trio.sleep_forever()

    log._workers = SimpleNamespace(run=never)
    decision = Decision(False, Reason.NOT_AMONG_ITS_ACLS)
    log.note("User:a", "::1", "Fetch", Operation.READ, ResourceType.TOPIC, "t", decision)
    with trio.move_on_after(0.05), mock.patch.object(audit_log, "PACE_S", 0.001):
        await log.run()
    log.close()
    assert "TOPIC:t" in (tmp_path / FILE).read_text("utf-8")
