"""The referee: real brokers as child processes, for the interop tests and the benchmarks.

    with ApacheKafka(data_dir=...) as kafka:      Apache Kafka itself, through Java and Maven
    with Odradek(data_dir=...) as broker:         ours, as a user would start it: `python -m odradek_cli up`
    with ApacheKafkaCluster(data_dir=...) as it:  three nodes of Apache Kafka, each broker and controller

The first two are a `BrokerProcess`: a bootstrap address, a data directory, `start`, `stop`, `kill`. Nothing here
imports `odradek` (but for clients/own.py, which is judged, and the choice of ports) or `odradek_broker`, so a fault of
theirs cannot blind the judge.
"""

from __future__ import annotations

from referee.apache_kafka import ApacheKafka
from referee.apache_kafka_cluster import ApacheKafkaCluster
from referee.java_class_path import JavaUnavailable, class_path, why_java_is_unavailable
from referee.java_tools import run_java_tool
from referee.odradek_process import Odradek, OdradekUp
from referee.process import BrokerProcess, BrokerStartError

__all__ = [
    "ApacheKafka",
    "ApacheKafkaCluster",
    "BrokerProcess",
    "BrokerStartError",
    "JavaUnavailable",
    "Odradek",
    "OdradekUp",
    "class_path",
    "run_java_tool",
    "why_java_is_unavailable",
]
