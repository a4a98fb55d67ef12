"""How one request reaches one member of etcd: a port, so that a simulation can be etcd.

The JSON gateway of etcd (v3, etcd 3.4 and later) over httpx. Why not a gRPC client: no generated code and no grpcio
wheel, and metadata is written some hundred times a second at most.
"""

from __future__ import annotations

import logging
from typing import Protocol


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
    """Connections to real ones."""

    def __init__(self) -> None:
        """Raises OSError where httpx is not installed."""
        try:
            import httpx
        except ImportError:
            raise OSError("controller.journal=etcd needs httpx: pip install 'odradek[etcd]'") from None
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it has something to say about every request
        self._not_reached = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL)
        self._not_answered = httpx.HTTPError
        self._client = httpx.Client(trust_env=False)

    def post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        try:
            answer = self._client.post(url, content=content, timeout=timeout_s)
        except self._not_reached as error:
            raise NotReached(str(error) or type(error).__name__) from error
        except self._not_answered as error:
            raise NotAnswered(str(error) or type(error).__name__) from error
        return answer.status_code, answer.content

    def close(self) -> None:
        self._client.close()
