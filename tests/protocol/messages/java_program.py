"""Runs the small Java programs of tests/interop/java against Apache Kafka's own classes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from referee import class_path, why_java_is_unavailable
from referee.java_tools import java_environment

PROGRAMS = Path(__file__).parents[2] / "interop" / "java"


def run_java_program(name: str, lines: list[str]) -> list[str]:
    """The lines that a program prints when it is given these."""
    done = subprocess.run(
        ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", class_path(), str(PROGRAMS / f"{name}.java")],
        env=java_environment(),
        input="".join(f"{line}\n" for line in lines).encode("ascii"),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode().splitlines()


def skip_without_java() -> None:
    """Skip the test where Apache Kafka cannot run."""
    reason = why_java_is_unavailable()
    if reason is not None:
        pytest.skip(reason)
