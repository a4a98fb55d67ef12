"""Where a BrokerConfig comes from, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek_broker.config import BrokerConfig, ConfigError, Listener, LoadedConfig, load_broker_config
from odradek_broker.config.broker_config import broker_keys
from odradek_broker.config.properties import parse_properties
from odradek_broker.config.setting import SettingError, render
from odradek_broker.tls.check import check_tls


def mistakes(**overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_broker_config(None, {}, {name.replace("_", "."): text for name, text in overrides.items()}, check_tls)
    assert str(caught.value).splitlines() == caught.value.mistakes
    return caught.value.mistakes


def test_nothing_at_all_is_a_configuration() -> None:
    assert load_broker_config() == LoadedConfig(BrokerConfig(), ())
    assert BrokerConfig().listeners == (Listener("PLAINTEXT", "127.0.0.1", 9092),)
    assert BrokerConfig().log_flush_policy == "sync"


def test_later_sources_win_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "broker.properties"
    file.write_text("num.partitions=2\nlog.segment.bytes=2000000\nmessage.max.bytes=3\n")
    environment = {"ODRADEK_LOG_SEGMENT_BYTES": "4000000", "ODRADEK_MESSAGE_MAX_BYTES": "5", "HOME": "/"}
    config = load_broker_config(file, environment, {"message.max.bytes": "6"}).config
    assert (config.num_partitions, config.log_segment_bytes, config.message_max_bytes) == (2, 4000000, 6)
    assert config.given == {"num.partitions", "log.segment.bytes", "message.max.bytes"}


@pytest.mark.parametrize(
    "text",
    [
        "log.segment.bytes = 2000000\nlisteners = ['a:1', 'X://b:2']\nauto.create.topics.enable = false",
        "log_segment_bytes = 2000000\nlisteners = 'a:1,X://b:2'\nauto_create_topics_enable = false",
        "'listeners' = ['a:1', 'X://b:2']\n[log.segment]\nbytes = 2000000\n[auto.create.topics]\nenable = false",
    ],
)
def test_toml_may_be_dotted_underscored_or_nested(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broker.toml"
    file.write_text(text + "\n[listener]\nsecurity.protocol.map = 'X:PLAINTEXT'\n[allow]\nunsecured.listeners = true\n")
    config = load_broker_config(file).config
    assert config.log_segment_bytes == 2000000
    assert config.listeners == (Listener("PLAINTEXT", "a", 1), Listener("X", "b", 2))
    assert config.auto_create_topics_enable is False


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("a = ")
    for file in (tmp_path / "missing.toml", broken):
        with pytest.raises(ConfigError, match=file.name):
            load_broker_config(file)


def test_all_mistakes_are_told_at_once_and_name_their_source(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("log.segment.byts=1\nnum.partitions=none\n")
    with pytest.raises(ConfigError) as caught:
        load_broker_config(file, {"ODRADEK_MESSAGE_MAX_BYTES": "-1"}, {"node.id": str(2**31)})
    assert sorted(caught.value.mistakes) == [
        "log.segment.byts (server.properties) is no known setting; did you mean log.segment.bytes?",
        "message.max.bytes = -1 (ODRADEK_MESSAGE_MAX_BYTES): must be at least 0",
        "node.id = 2147483648 (flag): must fit in 32 bits",
        "num.partitions = none (server.properties): must be a whole number",
    ]


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("log.segment.bytes", "1048575", "at least 1048576"),
        ("offsets.topic.segment.bytes", "4000", "at least 1048576"),
        ("transaction.state.log.segment.bytes", "1048575", "at least 1048576"),
        ("delete.topic.enable", "yes", "true or false"),
        ("log.cleaner.min.cleanable.ratio", "1.5", "between 0 and 1"),
        ("log.cleaner.min.cleanable.ratio", "nan", "must be a number"),
        ("log.cleanup.policy", "compact,erase", "only name compact, delete"),
        ("log.cleanup.policy", "compact,compact", "anything twice"),
        ("log.flush.policy", "never", "one of sync, interval"),
        ("queued.max.request.bytes", "0", "or -1"),
        ("listeners", "localhost", "host:port"),
        ("listeners", "a:1,b:2", "a name of its own"),
        ("listeners", "localhost:65536", "host:port"),
        ("listeners", "SASL_SSL://:9093", "ssl.keystore.location"),
        ("listeners", "PLAINTEXT://:9092", "allow.unsecured.listeners=true"),
        ("listeners", "INSIDE://:9093", "has no protocol"),
        ("listeners", "", "at least one address"),
        ("advertised.listeners", "0.0.0.0:9092", "a host and a port"),
        ("advertised.listeners", "OTHER://h:9092", "not among the listeners"),
        ("listener.security.protocol.map", "A=B", "NAME:PROTOCOL"),
        ("log.dirs", "a,b", "one directory only"),
        ("group.min.session.timeout.ms", "1800001", "group.max.session.timeout.ms"),
        ("group.coordinator.rebalance.protocols", "consumer", "has to name classic"),
        ("group.coordinator.rebalance.protocols", "classic,other", "only name classic, consumer, share, streams"),
        ("queued.max.request.bytes", "1000", "socket.request.max.bytes"),
        ("broker.session.timeout.ms", "3999", "half of"),
        ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer", "StandardAuthorizer"),
        ("super.users", "User:a;admin", "User:NAME"),
    ],
)
def test_a_wrong_value_is_one_line(name: str, text: str, wrong: str) -> None:
    (line,) = mistakes(**{name: text})
    assert wrong in line
    assert name in line


@pytest.mark.parametrize(
    ("listeners", "settings", "refused"),
    [
        ("PLAINTEXT://127.0.0.1:1,A://localhost:2,B://[::1]:3,C://127.8.0.1:4", {}, []),
        ("PLAINTEXT://0.0.0.0:1,A://:2,B://[::]:3,C://broker:4", {}, ["PLAINTEXT", "A", "B", "C"]),
        ("PLAINTEXT://0.0.0.0:1", {"allow.unsecured.listeners": "true"}, []),
        ("SASL_PLAINTEXT://0.0.0.0:1", {}, []),
        ("SSL://0.0.0.0:1", {}, ["SSL"]),
        ("SSL://0.0.0.0:1", {"ssl.client.auth": "requested"}, ["SSL"]),
        ("SSL://0.0.0.0:1", {"ssl.client.auth": "required"}, []),
        ("SSL://0.0.0.0:1", {"listener.name.ssl.ssl.client.auth": "required"}, []),
    ],
)
def test_a_listener_that_others_reach_and_that_asks_nobody_who_they_are_is_refused_unless_it_is_meant(
    listeners: str, settings: dict[str, str], refused: list[str]
) -> None:
    protocols = "A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT"
    given = {"listeners": listeners, "listener.security.protocol.map": protocols, **settings}
    try:
        load_broker_config(None, {}, given)
        wrong = []
    except ConfigError as error:
        wrong = error.mistakes
    assert [line.partition("listeners: ")[2].partition("://")[0] for line in wrong] == refused


def test_kafkas_own_server_properties_is_understood_with_notices(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text(
        "process.roles=broker,controller\nnode.id=4\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n"
        "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n"
        "allow.unsecured.listeners=true\nnum.network.threads=3\nsocket.send.buffer.bytes=102400\nlog.dirs=/tmp/kraft\nlog.retention.hours=168\n"
    )
    loaded = load_broker_config(file)
    assert loaded.config.listeners == (Listener("PLAINTEXT", "", 9092),)
    assert loaded.config.advertised("PLAINTEXT") == Listener("PLAINTEXT", "localhost", 9092)
    assert (loaded.config.node_id, loaded.config.data_directory) == (4, "/tmp/kraft")
    assert "num.network.threads (server.properties) has no effect in this broker" in loaded.notices
    assert len(loaded.notices) == 2
    assert loaded.config.process_roles == ("broker", "controller")


def test_broker_id_is_an_older_name_of_node_id() -> None:
    assert load_broker_config(overrides={"broker.id": "3"}).config.node_id == 3
    assert load_broker_config(overrides={"broker.id": "3", "node.id": "4"}).config.node_id == 4


def test_an_unknown_variable_is_noticed_but_refuses_nothing() -> None:
    environment = {"ODRADEK_SERVICE_HOST": "10.0.0.1", "ODRADEK_NUM_PARTITION": "2", "ODRADEK_BOOTSTRAP_SERVER": "h:1"}
    loaded = load_broker_config(environment=environment)
    assert loaded.config == BrokerConfig()
    assert loaded.notices[0].endswith("has no effect; did you mean num.partitions?")


def test_retention_takes_the_finest_unit_that_is_set() -> None:
    assert BrokerConfig().retention_ms == 7 * 24 * 3600 * 1000
    assert BrokerConfig(log_retention_hours=1).retention_ms == 3_600_000
    assert BrokerConfig(log_retention_hours=1, log_retention_minutes=1).retention_ms == 60_000
    assert BrokerConfig(log_retention_minutes=1, log_retention_ms=1).retention_ms == 1
    assert BrokerConfig(log_retention_hours=-1).retention_ms == -1


@pytest.mark.parametrize("name", sorted(broker_keys()))
def test_every_default_is_a_value_of_its_own_key(name: str) -> None:
    key = broker_keys()[name]
    text = render(key.default)
    assert text is None or key.setting.parse(text) == key.default
    assert key.setting.sentence.endswith(".")


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        ("localhost:9092", Listener("PLAINTEXT", "localhost", 9092)),
        (":0", Listener("PLAINTEXT", "", 0)),
        ("inside://[::1]:9092", Listener("INSIDE", "::1", 9092)),
    ],
)
def test_a_listener_is_read_and_written(text: str, listener: Listener) -> None:
    setting = broker_keys()["listeners"].setting
    assert setting.parse(text) == (listener,)
    assert setting.parse(str(listener)) == (listener,)


@pytest.mark.parametrize("text", ["::1:9092", "http://a/b:1", "a:b", "[::1]", "a b:1:2"])
def test_what_is_no_listener_is_refused(text: str) -> None:
    with pytest.raises(SettingError):
        broker_keys()["listeners"].setting.parse(text)


def test_properties_are_read_as_java_reads_them() -> None:
    text = "# note\n! note\n\n a = 1 \nb:2\nc 3\nd=\\\n   4,\\\n  5\ne\\:f\\=g = \\u0041\\t\\\\\nh\nb=6\nlast=\\"
    expected = {"a": "1 ", "b": "6", "c": "3", "d": "4,5", "e:f=g": "A\t\\", "h": "", "last": ""}
    assert parse_properties(text) == expected
