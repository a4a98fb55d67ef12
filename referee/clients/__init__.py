"""Kafka clients behind one small interface, so that one test judges them all.

    interface.py      what every client can be asked: produce records, read them back, be a member of a group
    confluent.py      confluent-kafka (librdkafka)          aio.py       aiokafka
    python.py         kafka-python                          kcat.py      kcat, from the system's packages
    java_console.py   Kafka's own console producer and consumer
    own.py            Odradek's own client, judged like the rest

Each module is imported only when its client is used, so a missing client costs only its own tests.
"""

from __future__ import annotations

import importlib
import shutil

from referee.clients.interface import Client
from referee.java_class_path import why_java_is_unavailable

CLIENT_NAMES = ("confluent", "aio", "python", "kcat", "java_console", "own")


def client(name: str) -> Client:
    """The client called `name`, one of CLIENT_NAMES. Raises ImportError where its library is absent."""
    module = importlib.import_module(f"referee.clients.{name}")
    made: Client = module.CLIENT
    return made


def why_absent(name: str) -> str | None:
    """One line for a skip, or None where the client can be used."""
    if name == "java_console":
        return why_java_is_unavailable()
    if name == "kcat":
        return None if shutil.which("kcat") else "kcat is not on the PATH"
    if name == "own":
        return None  # its absence would be a failure
    try:
        client(name)
    except ImportError as missing:
        return str(missing)
    return None
