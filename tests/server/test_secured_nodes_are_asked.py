"""`odradek metadata restore` asks nodes for their metadata as the profile says, over TLS and logged in."""

from __future__ import annotations

from pathlib import Path

from odradek import Security
from odradek_cli.metadata_restore import Found, _ask_all
from tests.server.test_brokers_own_apis import two_listeners
from tests.tls.certified import HERE, authority, trusted, written


def as_user(directory: Path, user: str, password: str) -> Security:
    return Security(
        security_protocol="SASL_SSL",
        ssl_ca_file=trusted(directory),
        sasl_mechanism="PLAIN",
        sasl_username=user,
        sasl_password=password,
    )


async def test_a_secured_node_tells_its_metadata_to_who_comes_as_a_broker_and_says_why_not_to_others(
    tmp_path: Path,
) -> None:
    keys = written(tmp_path, authority().issue("node", HERE))
    over_tls = {"listener.security.protocol.map": "OUTSIDE:SASL_SSL,INSIDE:SASL_SSL", "ssl.keystore.location": keys}
    over_tls["ssl.truststore.location"] = trusted(tmp_path)
    async with two_listeners(tmp_path / "data", **over_tls) as served:
        where = ("localhost", served.port)
        told, refused, stranger = Found([], []), Found([], []), Found([], [])
        await _ask_all([where], as_user(tmp_path, "broker", "among us"), told)
        await _ask_all([where], as_user(tmp_path, "alice", "wonder"), refused)
        await _ask_all([where], as_user(tmp_path, "alice", "false"), stranger)
        (known,) = told.known
        assert known.image.offset == served.broker.image.offset and known.image.scram == served.broker.image.scram
        assert "to brokers and super users only (CLUSTER_AUTHORIZATION_FAILED)" in refused.silent[0]
        assert "Invalid username or password" in stranger.silent[0]
        assert not refused.known and not stranger.known
