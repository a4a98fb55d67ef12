"""Certificates for tests: one authority for all of a process, for it takes time to make one."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from odradek_broker.tls.authority import Authority, Issued

HERE = ("localhost", "127.0.0.1")


@cache
def authority() -> Authority:
    return Authority.create("Tests")


@cache
def stranger() -> Authority:
    """Whom nobody believes."""
    return Authority.create("Stranger")


def written(directory: Path, issued: Issued, name: str = "server.pem") -> str:
    """The path of a key store."""
    path = directory / name
    path.write_text(issued.pem)
    return str(path)


def trusted(directory: Path, whom: Authority | None = None) -> str:
    """The path of a trust store."""
    path = directory / "ca.pem"
    path.write_text((whom or authority()).issued.certificate)
    return str(path)


def client_side(issued: Issued | None = None, directory: Path | None = None) -> ssl.SSLContext:
    """Believes the authority; shows a certificate where there is one."""
    context = ssl.create_default_context(cadata=authority().issued.certificate)
    if issued is not None:
        assert directory is not None
        context.load_cert_chain(written(directory, issued, "client.pem"))
    return context
