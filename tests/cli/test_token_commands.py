"""odradek token: what is made logs in, is listed without its password, renewed, and ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from odradek_cli.variables import PROFILE_VARIABLE
from referee import BrokerProcess
from tests.cli.commands import Done, Run, call, command

USERS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder" user_bob="builder";'


class Guarded(BrokerProcess):
    """Whoever comes has to log in."""

    name = "Odradek, guarded"
    ready_line = re.compile(r"^ready 127\.0\.0\.1:\d+")

    def command(self) -> list[str]:
        settings = {
            "log.dir": str(self.data_dir / "data"),
            "listeners": f"SASL_PLAINTEXT://{self.bootstrap}",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": USERS,
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "delegation.token.secret.key": "the cluster's",
        }
        file = self.data_dir / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return command("broker", "--config", str(file))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a command as somebody who has logged in: the first word is the name of a profile."""
    directory = tmp_path_factory.mktemp("tokens")
    broker = Guarded(directory)

    def run(profile: str, *words: str, code: int = 0) -> Done:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(PROFILE_VARIABLE, profile)
            done = call(*words, "-b", broker.bootstrap)
        assert done.code == code, done
        return done

    def profile(name: str, **settings: str) -> str:
        path: Path = directory / f"{name}.toml"
        keys = {"bootstrap-server": broker.bootstrap, "security-protocol": "SASL_PLAINTEXT"} | settings
        path.write_text("".join(f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in keys.items()))
        return str(path)

    run.profile = profile  # type: ignore[attr-defined]
    with broker:
        yield run


def test_a_token_is_made_logs_in_is_listed_renewed_and_ended(there: Run) -> None:
    profile = there.profile  # type: ignore[attr-defined]
    alice = profile("alice", sasl_mechanism="PLAIN", sasl_username="alice", sasl_password="wonder")
    bob = profile("bob", sasl_mechanism="PLAIN", sasl_username="bob", sasl_password="builder")
    made = json.loads(there(alice, "token", "create", "--renewer", "bob", "--lifetime", "3h", "--json").stdout)
    holder = profile(
        "holder",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=made["id"],
        sasl_password=made["password"],
        sasl_tokenauth=True,
    )
    there(holder, "topic", "list")
    refused = there(holder, "token", "create", code=1).stderr
    assert refused.startswith("odradek: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED")
    listed = there(bob, "token", "list").stdout
    assert listed.split("\t")[:4] == [made["id"], "alice", "alice", "bob"] and made["password"] not in listed
    renewed = there(bob, "token", "renew", made["id"], "--for", "1h").stdout.strip()
    assert renewed < made["expires"]
    assert there(alice, "token", "expire", made["id"], "--after", "2h").stdout.strip() > renewed
    there(alice, "token", "expire", made["id"])
    assert there(alice, "token", "list").stdout == ""
    gone = f"odradek: there is no token {made['id']}, or you may not know of it\n"
    assert there(alice, "token", "renew", made["id"], code=1).stderr == gone
    assert "SASL_AUTHENTICATION_FAILED" in there(holder, "topic", "list", code=1).stderr


def test_a_time_that_is_none_is_wrong_usage() -> None:
    done = call("token", "create", "--lifetime", "long", "-b", "localhost:1")
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert "--lifetime long: write 90s" in done.stderr
