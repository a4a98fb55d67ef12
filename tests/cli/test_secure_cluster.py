"""`odradek up --secure`: what it writes, that one can connect with all of it, and what it leaves to nobody else."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from odradek_broker.config import load_broker_config
from odradek_broker.tls.check import check_tls
from odradek_cli.failures import Failed
from odradek_cli.profiles import read_profile
from odradek_cli.secured import hosts_for, hosts_of, read_certificate, renew, secure, tell_clients
from referee.process import BrokerProcess
from tests.cli.commands import Done, call


class Secure(BrokerProcess):
    """`odradek up --secure`."""

    name = "Odradek, secured"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")

    def command(self) -> list[str]:
        where = ["--port", str(self.port), "--data-dir", str(self.data_dir)]
        return [sys.executable, "-m", "odradek_cli", "up", "--secure", *where]

    @property
    def security(self) -> Path:
        return self.data_dir / "security"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """Found by no other test: where it announces itself is its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        broker = Secure(tmp_path_factory.mktemp("secure") / "data")
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
    assert "Traceback" not in "".join(broker.lines)


def done(*words: str, code: int = 0) -> Done:
    with mock.patch.dict(os.environ):  # which --profile changes
        made = call(*words)
    assert made.code == code, made
    return made


@pytest.mark.slow
def test_the_one_line_that_it_prints_connects(up: Secure) -> None:
    (line,) = [line for line in up.lines if line.startswith("kcat ")]
    if shutil.which("kcat") is None:
        assert up.security.name in line
        return
    listed = subprocess.run(line.split(), capture_output=True, text=True, timeout=30, check=True).stdout
    assert f"broker 1 at 127.0.0.1:{up.port}" in listed


@pytest.mark.slow
def test_commands_on_the_same_machine_are_the_administrators(up: Secure) -> None:
    done("topic", "create", "orders")
    assert done("topic", "list").stdout.startswith("orders")
    assert done("--profile", str(up.security / "client.toml"), "topic", "list").stdout.startswith("orders")


@pytest.mark.slow
def test_a_user_is_added_listed_and_removed(up: Secure, tmp_path: Path) -> None:
    password = done("user", "add", "alice").stdout.strip()
    assert len(password) >= 20
    assert "alice\tSCRAM-SHA-512\t4096" in done("user", "list").stdout
    assert password not in done("user", "list", "--json").stdout
    theirs = tmp_path / "alice.toml"
    text = (
        (up.security / "client.toml")
        .read_text()
        .replace('"admin"', '"alice"')
        .replace("ca.pem", str(up.security / "ca.pem"))
    )
    theirs.write_text(re.sub(r'sasl-password = ".*"', f'sasl-password = "{password}"', text))
    done("--profile", str(theirs), "topic", "list")
    done("user", "remove", "alice")
    refused = done("--profile", str(theirs), "topic", "list", code=1).stderr
    assert "SASL_AUTHENTICATION_FAILED" in refused and password not in refused
    assert "RESOURCE_NOT_FOUND" in done("user", "remove", "alice", code=1).stderr


@pytest.mark.slow
def test_a_password_may_come_from_a_file(up: Secure, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file\n")
    assert done("user", "add", "bob", "--password-file", str(file), "--mechanism", "SCRAM-SHA-256").stdout == ""
    assert "bob\tSCRAM-SHA-256\t4096" in done("user", "list").stdout
    file.write_text("\n")
    assert "the password is empty" in done("user", "add", "bob", "--password-file", str(file), code=1).stderr


@pytest.mark.slow
@pytest.mark.parametrize("words", [("user", "add"), ("user", "remove")], ids=" ".join)
@pytest.mark.parametrize("name", ["broker", "admin"])
def test_as_whom_brokers_may_log_in_is_spared(up: Secure, words: tuple[str, str], name: str) -> None:
    before = done("user", "list").stdout
    assert f"{name} is a super user" in done(*words, name, code=1).stderr
    assert done("user", "list").stdout == before
    done("topic", "list")


@pytest.mark.slow
def test_a_password_of_brokers_changes_where_that_is_meant(up: Secure, tmp_path: Path) -> None:
    """To what it is."""
    (password,) = re.findall(r'username="broker" password="([^"]+)"', (up.security / "brokers.properties").read_text())
    file = tmp_path / "password"
    file.write_text(password)
    done("user", "add", "broker", "--super-user", "--password-file", str(file))


@pytest.mark.slow
def test_a_certificate_is_shown_and_made_anew(up: Secure) -> None:
    before = read_certificate(up.security / "brokers.pem").serial_number
    assert "CN=broker\tlocalhost,127.0.0.1" in done("cert", "show").stdout
    assert "ends on" in done("cert", "renew", "--data-dir", str(up.data_dir)).stdout
    assert read_certificate(up.security / "brokers.pem").serial_number != before
    assert "no secured cluster" in done("cert", "renew", "--data-dir", "/nowhere", code=1).stderr
    assert done("topic", "list").code == 0


@pytest.mark.slow
def test_nothing_secret_is_in_what_it_says(up: Secure) -> None:
    settings = (up.security / "brokers.properties").read_text()
    passwords = set(re.findall(r'(?:password|user_admin)="([^"]+)"', settings))
    assert len(passwords) == 2
    said = "".join(up.lines)
    command = Path(f"/proc/{up.pid}/cmdline")
    said += command.read_text() if command.exists() else ""
    assert not [each for each in passwords if each in said]


def test_all_that_is_written_is_for_this_user_alone_and_kept(tmp_path: Path) -> None:
    secured = secure(tmp_path, hosts_for("broker.example.com"))
    tell_clients(secured, "broker.example.com:9092")
    files = {path.name: path.read_bytes() for path in secured.directory.iterdir()}
    assert set(files) == {
        "ca.pem",
        "ca-key.pem",
        "brokers.pem",
        "brokers.properties",
        "client.properties",
        "client.toml",
        "kcat.conf",
    }
    for path in secured.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(secured.directory.stat().st_mode) == 0o700
    again = secure(tmp_path, hosts_for("broker.example.com"))
    assert {path.name: path.read_bytes() for path in again.directory.iterdir()} == files


@pytest.mark.parametrize("file", ["meta.properties", "cluster.json"])
def test_a_cluster_that_is_not_secured_does_not_become_one_that_nobody_can_use(tmp_path: Path, file: str) -> None:
    (tmp_path / file).touch()
    with pytest.raises(Failed, match="has a cluster that is not secured"):
        secure(tmp_path, ["localhost"])
    assert [each.name for each in tmp_path.iterdir()] == [file]


def test_a_secured_cluster_does_not_come_up_unguarded(tmp_path: Path) -> None:
    secure(tmp_path, ["localhost"])
    refused = done("up", "--data-dir", str(tmp_path), code=2)
    assert "without --secure" in refused.stderr


def test_a_cluster_that_is_reached_by_another_name_gets_a_certificate_for_it(tmp_path: Path) -> None:
    path = secure(tmp_path, ["localhost"]).directory / "brokers.pem"
    secure(tmp_path, ["localhost", "10.0.0.1"])
    assert hosts_of(read_certificate(path)) == ["localhost", "10.0.0.1"]
    before = path.read_bytes()
    secure(tmp_path, ["10.0.0.1"])
    assert path.read_bytes() == before


def test_what_is_written_for_brokers_has_no_mistake_and_for_clients_is_a_profile(tmp_path: Path) -> None:
    secured = secure(tmp_path, hosts_for("127.0.0.1"))
    tell_clients(secured, "localhost:9092")
    loaded = load_broker_config(secured.settings, {}, {"listeners": "SASL_SSL://127.0.0.1:0"})
    assert loaded.notices == ()
    assert loaded.config.inter_broker_listener == "SASL_SSL"
    profile = read_profile(secured.profile)
    assert (profile.bootstrap, profile.security.sasl_username) == ("localhost:9092", "admin")
    assert profile.security.tls() is not None


def test_a_new_certificate_is_for_the_same_hosts_by_the_same_authority(tmp_path: Path) -> None:
    secured = secure(tmp_path, ["a.example.com", "10.0.0.1"])
    path = secured.directory / "brokers.pem"
    before = read_certificate(path)
    assert renew(secured.directory) > datetime.now(UTC)
    after = read_certificate(path)
    assert after.serial_number != before.serial_number and after.issuer == before.issuer
    assert hosts_of(after) == hosts_of(before) == ["a.example.com", "10.0.0.1"]


def test_what_a_cluster_of_several_machines_begins_with_is_written_once(tmp_path: Path) -> None:
    directory = tmp_path / "security"
    words = ["cert", "create", str(directory), "--bootstrap", "kafka.example.com:9092", "--host", "broker-0"]
    words += ["--listener", "INSIDE", "--listener", "OUTSIDE", "--brokers-at", "/security", "--clients-at", "theirs"]
    said = done(*words).stdout
    assert said == "brokers: --config /security/brokers.properties\nclients: --profile theirs/client.toml\n"
    settings = (directory / "brokers.properties").read_text()
    assert "ssl.keystore.location=/security/brokers.pem" in settings
    assert "ssl.ca.location=theirs/ca.pem" in (directory / "kcat.conf").read_text()
    assert hosts_of(read_certificate(directory / "brokers.pem")) == [
        *("localhost", "127.0.0.1", "kafka.example.com", "broker-0")
    ]
    here = {
        "ssl.keystore.location": str(directory / "brokers.pem"),
        "ssl.truststore.location": str(directory / "ca.pem"),
    }
    more = {"listeners": "INSIDE://0.0.0.0:1,OUTSIDE://0.0.0.0:2"}
    more["listener.security.protocol.map"] = "INSIDE:SASL_SSL,OUTSIDE:SASL_SSL"
    config = load_broker_config(directory / "brokers.properties", {}, here | more, check_tls).config
    assert config.inter_broker_listener == "INSIDE"
    assert [stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()] == [0o600] * 7
    done(*words)
    assert (directory / "brokers.properties").read_text() == settings


class SecureOverEtcd(Secure):
    """`odradek up --secure --journal etcd`."""

    name = "Odradek, secured, over etcd"

    def command(self) -> list[str]:
        return [*super().command(), "--journal", "etcd"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_the_link_to_etcd_is_secured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    broker = SecureOverEtcd(tmp_path / "data")
    broker.start()
    try:
        done("topic", "create", "orders")
        assert "orders" in done("metadata", "dump", "--image").stdout
        (said,) = runtime.glob("odradek/*.json")
        (endpoint,) = re.findall(r"https://127\.0\.0\.1:\d+", said.read_text())
        stranger = done("metadata", "dump", "--etcd", endpoint, code=1).stderr
        assert "CERTIFICATE_VERIFY_FAILED" in stranger
        settings = str(broker.security / "brokers.properties")
        assert "orders" in done("metadata", "dump", "--image", "--etcd", endpoint, "--config", settings).stdout
    finally:
        broker.stop()
    assert "Traceback" not in "".join(broker.lines)
