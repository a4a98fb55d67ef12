"""Ports for processes that are about to start."""

from __future__ import annotations

import socket

import pytest

from odradek.testing import ports
from odradek.testing.ports import PORTS, free_ports


def test_a_port_is_given_once_though_nobody_listens_yet() -> None:
    given = [port for _ in range(20) for port in free_ports(3)]
    assert len(set(given)) == len(given)
    assert set(given) <= set(PORTS)


def test_a_port_at_which_somebody_listens_is_not_given() -> None:
    with socket.socket() as taken:
        [port] = free_ports(1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert not ports._is_free(port)
    assert ports._is_free(port)


def test_a_port_that_is_promised_to_another_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_candidates", iter(PORTS[:50]))
    promised = PORTS[:20]
    assert not set(free_ports(3, promised)) & set(promised)


def test_where_nearly_all_are_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: False)
    with pytest.raises(OSError, match="nearly all ports are taken"):
        free_ports(1)
