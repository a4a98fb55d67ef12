"""Users and passwords that stand in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from odradek_broker.config.setting import SettingError
from odradek_broker.security.jaas import JaasLine, parse_jaas

if TYPE_CHECKING:
    from odradek_broker.config.broker_config import BrokerConfig

NO_LINE = JaasLine("", {})


def jaas_line(config: BrokerConfig, listener: str, mechanism: str) -> JaasLine:
    """Of one mechanism at one listener; without options where there is none. Raises SettingError."""
    line = config.at(listener, mechanism).sasl_jaas_config
    if line is None:
        return NO_LINE
    try:
        return parse_jaas(line.text)
    except ValueError as error:
        raise SettingError(f"sasl.jaas.config for {mechanism} {error}") from None


def check_logins(config: BrokerConfig, listener: str) -> list[str]:
    """What is wrong with the logins of a listener."""
    here = config.at(listener)
    mistakes = [] if here.sasl_enabled_mechanisms else ["sasl.enabled.mechanisms is empty: nobody could log in"]
    ours = config.sasl_mechanism_inter_broker_protocol
    if ours == "OAUTHBEARER" and not config.is_alone and listener == config.inter_broker_listener:
        mistakes.append("sasl.mechanism.inter.broker.protocol cannot be OAUTHBEARER: brokers log in by a password")
        return mistakes
    logs_in = listener == config.inter_broker_listener and not config.is_alone
    if logs_in and ours not in here.sasl_enabled_mechanisms:
        mistakes.append(f"sasl.mechanism.inter.broker.protocol is {ours}, which is not in sasl.enabled.mechanisms")
    for mechanism in here.sasl_enabled_mechanisms:
        try:
            line = jaas_line(config, listener, mechanism)
        except SettingError as error:
            mistakes.append(str(error))
            continue
        if mechanism == "OAUTHBEARER":
            mistakes += _check_tokens(config.at(listener, mechanism))
        if mechanism == "PLAIN" and not line.users:
            key = f"listener.name.{listener.lower()}.plain.sasl.jaas.config"
            mistakes.append(f'nobody can log in by PLAIN: {key} names no user (user_NAME="password")')
        if logs_in and mechanism == ours and not {"username", "password"} <= line.options.keys():
            key = f"listener.name.{listener.lower()}.{mechanism.lower()}.sasl.jaas.config"
            mistakes.append(f"this broker cannot log in with others: {key} lacks username and password")
    return mistakes


def is_remote(url: str) -> bool:
    """Whether the keys are to be fetched from elsewhere."""
    return urlsplit(url).scheme == "https"


def path_of(url: str) -> str:
    """Of a file: URL of this machine. Raises ValueError for any other."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ValueError("must be a file, as in file:///etc/odradek/keys.json, or be fetched by https")
    return unquote(parts.path)


def _check_tokens(config: BrokerConfig) -> list[str]:
    """Whatever is left open here would let in tokens that are meant for somebody else."""
    url = config.sasl_oauthbearer_jwks_endpoint_url
    needed = {
        "sasl.oauthbearer.jwks.endpoint.url": url,
        "sasl.oauthbearer.expected.issuer": config.sasl_oauthbearer_expected_issuer,
        "sasl.oauthbearer.expected.audience": config.sasl_oauthbearer_expected_audience,
    }
    if config.sasl_oauthbearer_unsecured_tokens and not url:
        return []
    mistakes = [f"OAUTHBEARER needs {key}" for key, value in needed.items() if not value]
    if url:
        try:
            _check_keys(url, config)
        except OSError as error:
            mistakes.append(f"sasl.oauthbearer.jwks.endpoint.url={url}: {error.strerror}")
        except ValueError as error:
            mistakes.append(f"sasl.oauthbearer.jwks.endpoint.url={url}: {error}")
    return mistakes


def _check_keys(url: str, config: BrokerConfig) -> None:
    """Raises OSError, ValueError."""
    if is_remote(url):
        parts = urlsplit(url)
        if url not in config.sasl_oauthbearer_allowed_urls:
            raise ValueError("is not among sasl.oauthbearer.allowed.urls")
        if not parts.hostname or parts.username is not None or parts.port == 0:
            raise ValueError("must name a host, and no user")
        if config.sasl_oauthbearer_jwks_endpoint_ca_location is not None:
            import ssl

            ssl.create_default_context(cafile=config.sasl_oauthbearer_jwks_endpoint_ca_location)
        return
    from odradek_broker.security.tokens import read_keys

    with open(path_of(url), "rb") as file:
        read_keys(file.read())
