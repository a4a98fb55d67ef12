"""`odradek cert`: certificates of a secured cluster, and of any file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from odradek.network import parse_bootstrap
from odradek_cli.command import Argument, Group, Option
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import AsJson

cert = Group("cert", "Certificates: when they end, and new ones.")

DataDir = Annotated[
    Path | None, Option(help="That of the cluster; else of the one that `odradek up --secure` runs on this machine.")
]


@cert.command("show")
def show_certificates(
    files: Annotated[list[Path] | None, Argument("PEM files; else those of the cluster.", completes="file")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Whose certificates they are, for which hosts, and when they end."""
    from odradek_cli.secured import AUTHORITY, BROKERS

    directory = None if files else _directory(data_dir)
    paths = files or [Path(directory or "") / name for name in (AUTHORITY, BROKERS)]
    show(["file", "subject", "hosts", "ends", "days"], [_row(path) for path in paths], as_json=as_json)


@cert.command("create")
def create_certificates(
    directory: Annotated[Path, Argument("Where it is written; what is there already is kept.", completes="file")],
    bootstrap: Annotated[str, Option(help="Where clients will find the cluster, as HOST:PORT,HOST:PORT.")],
    hosts: Annotated[
        list[str] | None, Option("--host", help="A name or an address by which a node is reached; repeatable.")
    ] = None,
    listeners: Annotated[
        list[str] | None,
        Option("--listener", help="One that asks for a login, that between brokers first; repeatable (SASL_SSL)."),
    ] = None,
    brokers_at: Annotated[Path | None, Option(help="Where brokers will find the directory, if elsewhere.")] = None,
    clients_at: Annotated[Path | None, Option(help="Where clients will find it, if elsewhere.")] = None,
) -> None:
    """Write what a secured cluster of several machines begins with: authority, certificate, passwords, settings."""
    from odradek_cli.secured import Secured, tell_clients, write

    addresses = [host for host, _ in parse_bootstrap(bootstrap)]
    names = list(dict.fromkeys(["localhost", "127.0.0.1", *addresses, *(hosts or [])]))
    secured = Secured(directory.resolve())
    write(secured, names, listeners or ["SASL_SSL"], brokers_at)
    tell_clients(secured, bootstrap, clients_at)
    print(f"brokers: --config {(brokers_at or directory) / secured.settings.name}")
    print(f"clients: --profile {(clients_at or directory) / secured.profile.name}")


@cert.command("renew")
def renew_certificates(data_dir: DataDir = None) -> None:
    """Make the brokers' certificate anew. Brokers that run take it up within seconds, and keep their connections."""
    from odradek_cli.secured import renew

    directory = _directory(data_dir)
    print(f"the certificate of the brokers ends on {renew(directory):%Y-%m-%d}")


def _row(path: Path) -> dict[str, Any]:
    from odradek_cli.secured import hosts_of, read_certificate

    try:
        certificate = read_certificate(path)
    except ValueError:
        raise Failed(f"{path} has no certificate") from None
    ends = certificate.not_valid_after_utc
    return {
        "file": str(path),
        "subject": certificate.subject.rfc4514_string(),
        "hosts": ",".join(hosts_of(certificate)),
        "ends": f"{ends:%Y-%m-%d}",
        "days": (ends - datetime.now(UTC)).days,
    }


def _directory(data_dir: Path | None) -> Path:
    """Raises Failed."""
    from odradek_cli.running import all_running
    from odradek_cli.secured import DIRECTORY, SETTINGS

    if data_dir is not None:
        found = [data_dir / DIRECTORY]
    else:
        found = [Path(each.profile).parent for each in all_running() if each.profile is not None]
    if len(found) != 1:
        raise Failed("name the cluster by --data-dir: " + ("several" if found else "no secured one") + " runs here")
    if not (found[0] / SETTINGS).exists():
        raise Failed(f"{data_dir} belongs to no secured cluster")
    return found[0]
