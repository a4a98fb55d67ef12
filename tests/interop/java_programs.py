"""Small Java programs of tests/interop/java, each in a JVM of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from referee import class_path

PROGRAMS = Path(__file__).parent / "java"


def java_program(name: str, *arguments: str, libraries: str = "") -> subprocess.Popen[bytes]:
    """It runs, and has this process's pipes. `libraries`: whose class path it needs, see referee/java."""
    path = class_path(libraries)
    return subprocess.Popen(
        ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", str(PROGRAMS / f"{name}.java"), *arguments],
        env={**os.environ, "CLASSPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
