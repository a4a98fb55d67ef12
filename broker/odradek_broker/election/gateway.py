"""How one request reaches one member of etcd: a port, so that a simulation can be etcd.

The JSON gateway of etcd (v3, etcd 3.4 and later) over httpx. Why not a gRPC client: no generated code and no grpcio
wheel, and metadata is written some hundred times a second at most.
"""

from __future__ import annotations

import logging
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import httpx

    from odradek_broker.config import BrokerConfig
    from odradek_broker.tls.renewal import RenewedTls

API = "/v3/"
RENEWAL_SECONDS = 2.0
"""For which a request waits for a look at the certificates on the disk."""
OK = 200
TOKEN_IS_OVER = (b"invalid auth token", b"user name is empty", b"revision of auth store is old")
"""What etcd says where a login has been forgotten, or is older than a change of users. Nothing has been done then."""


class NotReached(Exception):
    """The member has not got the request."""


class NotAnswered(Exception):
    """The member may have got the request, and may carry it out yet, however long that takes."""


class Gateway(Protocol):
    """Blocking calls, to be made in worker threads, also at the same time in several."""

    def post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        """HTTP's status, and the body. Raises NotReached, NotAnswered."""

    def close(self) -> None: ...


class HttpGateway:
    """Connections to real ones: over TLS where the endpoint is https, and logged in where there is a user."""

    def __init__(self, config: BrokerConfig | None = None) -> None:
        """Raises OSError where httpx is not installed, StoreError."""
        try:
            import httpx
        except ImportError:
            raise OSError("controller.journal=etcd needs httpx: pip install 'odradek[etcd]'") from None
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it has something to say about every request
        self._not_reached = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL)
        self._not_answered = httpx.HTTPError
        self._client_over = partial(httpx.Client, trust_env=False)
        self._tls = None if config is None else _tls_of(config)
        self._account = None if config is None else _account_of(config)
        self._lock = Lock()
        self._renewal: Thread | None = None
        self._context = None if self._tls is None else self._tls.context
        self._client = self._client_over(verify=self._context or True)
        self._former: httpx.Client | None = None
        """With the certificates before the last ones; somebody may be at work with it."""
        self._token = ""

    def post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        if self._account is None:
            return self._post(url, content, timeout_s, {})
        token = self._token or self._log_in(url, self._account, timeout_s)
        status, answer = self._post(url, content, timeout_s, {"Authorization": token})
        if status == OK or not any(each in answer for each in TOKEN_IS_OVER):
            return status, answer
        token = self._log_in(url, self._account, timeout_s)
        return self._post(url, content, timeout_s, {"Authorization": token})

    def close(self) -> None:
        self._client.close()
        if self._former is not None:
            self._former.close()

    def _post(self, url: str, content: bytes, timeout_s: float, headers: dict[str, str]) -> tuple[int, bytes]:
        """Raises NotReached, NotAnswered."""
        try:
            answer = self._renewed().post(url, content=content, timeout=timeout_s, headers=headers)
        except self._not_reached as error:
            raise NotReached(str(error) or type(error).__name__) from error
        except self._not_answered as error:
            raise NotAnswered(str(error) or type(error).__name__) from error
        return answer.status_code, answer.content

    def _log_in(self, url: str, account: dict[str, str], timeout_s: float) -> str:
        """The token, which etcd takes for some minutes. Raises NotReached, for nothing has been asked yet."""
        endpoint = url.partition(API)[0]
        try:
            status, answer = self._post(
                f"{endpoint}{API}auth/authenticate", msgspec.json.encode(account), timeout_s, {}
            )
            token = msgspec.json.decode(answer, type=dict[str, Any]).get("token") if status == OK else None
        except (NotAnswered, msgspec.DecodeError) as error:
            raise NotReached(f"it does not answer to a login as {account['name']}: {error}") from error
        if not isinstance(token, str):
            why = answer[:200].decode(errors="replace")
            raise NotReached(f"it does not let {account['name']} in: {status} {why}")
        self._token = token
        return token

    def _renewed(self) -> httpx.Client:
        """With the certificates that there are now.

        A file system that does not answer keeps one thread, and one request for a while: the old certificates go on.
        """
        if self._tls is not None and (looking := self._begin_renewal(self._tls)) is not None:
            looking.join(RENEWAL_SECONDS)
        return self._client

    def _begin_renewal(self, tls: RenewedTls) -> Thread | None:
        """None where somebody is at it."""
        with self._lock:
            if self._renewal is not None and self._renewal.is_alive():
                return None
            self._renewal = Thread(target=self._renew, args=(tls,), daemon=True)
            self._renewal.start()
            return self._renewal

    def _renew(self, tls: RenewedTls) -> None:
        tls.renew()
        if tls.context is not self._context:
            if self._former is not None:
                self._former.close()
            self._context = tls.context
            self._former, self._client = self._client, self._client_over(verify=self._context)


def _tls_of(config: BrokerConfig) -> RenewedTls | None:
    """The library for certificates is imported only where there are some."""
    if not config.is_etcd_over_tls:
        return None
    from odradek_broker.tls.contexts import etcd_context
    from odradek_broker.tls.renewal import RenewedTls

    stores = ("etcd_ssl_keystore_location", "etcd_ssl_truststore_location")
    return RenewedTls(etcd_context, config, "this node, towards etcd,", stores)


def _account_of(config: BrokerConfig) -> dict[str, str] | None:
    if config.etcd_username is None or config.etcd_password is None:
        return None
    return {"name": config.etcd_username, "password": config.etcd_password.text}
