"""Apache Kafka's command-line tools, each run in a JVM of its own (about 1.5 s and one core)."""

from __future__ import annotations

import os
import subprocess

from referee.java_class_path import LOGGING_OPTION, class_path

TOOLS = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-configs": "org.apache.kafka.tools.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-share-consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "kafka-verifiable-share-consumer": "org.apache.kafka.tools.VerifiableShareConsumer",
}

# A tool lives for a second or two: the quick compiler alone starts it fastest.
_QUICK_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def java_command(tool: str, *arguments: str) -> list[str]:
    """The argv that runs `tool`, one of TOOLS, given `java_environment()`."""
    return ["java", *_QUICK_JVM, LOGGING_OPTION, TOOLS[tool], *arguments]


def java_environment() -> dict[str, str]:
    """The environment with the class path in it: there it does not drown the argv. Raises JavaUnavailable."""
    return {**os.environ, "CLASSPATH": class_path()}


def run_java_tool(
    tool: str, *arguments: str, stdin: bytes = b"", timeout_seconds: float = 60, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run `tool` to its end and give its output.

    Raises JavaUnavailable, subprocess.TimeoutExpired, and, with `check`, AssertionError holding what the tool said.
    """
    done = subprocess.run(
        java_command(tool, *arguments),
        env=java_environment(),
        input=stdin,
        capture_output=True,
        timeout=timeout_seconds,
        check=False,
    )
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise AssertionError(f"{tool} {' '.join(arguments)} exited with {done.returncode}:\n{said}")
    return done
