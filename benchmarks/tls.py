"""Records per second, in and out, over TLS 1.3 with one cipher, under the same client.

    python -m benchmarks.run tls

As throughput.py measures without TLS, in the three sizes. All brokers run at once and take turns; the first round is
shorter, warms everybody up, and does not count. What is agreed upon with each of them is looked at first: where they
would speak differently, nothing is measured. Topics are made and deleted by another listener, without TLS.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from benchmarks.client_processes import fresh_topic, run_client
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.guarded import LISTENER, guarded
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.throughput import LOADS, WARM_UP_DIVISOR, Load
from odradek_broker.tls.authority import Authority
from referee import BrokerProcess

SIZES = [load for load in LOADS if load.read_back]
AGREED = ("TLS_AES_256_GCM_SHA384", "TLSv1.3")
"""What both would choose of themselves."""


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the brokers itself; they must not be running."""
    files = contenders[0].broker.data_dir.parent
    security = _write_stores(files)
    settings = {
        "ssl.enabled.protocols": "TLSv1.3",
        f"{LISTENER}ssl.keystore.type": "PEM",
        f"{LISTENER}ssl.keystore.location": str(files / "server.pem"),
    }
    with contextlib.ExitStack() as stack:
        brokers = {each.name: guarded(each, "SSL", settings) for each in contenders}
        for name, (broker, port) in brokers.items():
            stack.enter_context(broker)
            agreed = _agreed(port, files)
            assert agreed == AGREED, f"{name} agrees upon {agreed}"
        for load in SIZES:
            yield from _measure(brokers, load, security, scale)


def _measure(
    brokers: dict[str, tuple[BrokerProcess, int]], load: Load, security: dict[str, str], scale: Scale
) -> Iterator[Measurement]:
    goals = {PAGE_CACHE: 1.0, FSYNC: 1.0}
    into = Measurement(f"TLS: in, {load.name}", "records/s", True, KAFKA, goals)
    out = Measurement(f"TLS: out, {load.name}", "records/s", True, KAFKA, goals)
    for round_number in range(scale.rounds + 1):
        records = scale.records(load.records) // (WARM_UP_DIVISOR if round_number == 0 else 1)
        for name, (broker, port) in brokers.items():
            with fresh_topic(broker) as topic:
                what = {"topic": topic, "records": records, "value_bytes": load.value_bytes, "security": security}
                bootstrap = f"127.0.0.1:{port}"
                written = run_client("confluent", "produce", bootstrap=bootstrap, **what)["records_per_s"]
                read = run_client("confluent", "consume", bootstrap=bootstrap, **what)["records_per_s"]
            if round_number > 0:
                into.add(name, written)
                out.add(name, read)
    yield into
    yield out


def _write_stores(directory: Path) -> dict[str, str]:
    """A certificate for the brokers, and how clients connect to them."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority.create("Benchmarks")
    (directory / "server.pem").write_text(authority.issue("broker", ("localhost", "127.0.0.1")).pem)
    (directory / "ca.pem").write_text(authority.issued.certificate)
    return {"security.protocol": "ssl", "ssl.ca.location": str(directory / "ca.pem")}


def _agreed(port: int, directory: Path) -> tuple[str, str]:
    """The cipher and the version of TLS that a client of OpenSSL's gets."""
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        cipher = secured.cipher()
    assert cipher is not None
    return cipher[0], cipher[1]
