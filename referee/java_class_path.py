"""Where Apache Kafka's jars are: resolved once by Maven, then remembered in java/target/classpath.txt.

Maven is asked offline first, so a machine that has the jars needs no network. A remembered class path is used as long
as the pom has not changed and every jar is still there. Of several processes one asks, and the others wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

JAVA_DIR = Path(__file__).parent / "java"
LOGGING_OPTION = f"-Dlog4j2.configurationFile={JAVA_DIR / 'log4j2.properties'}"
OLDEST_JAVA = 17
RESOLVE_TIMEOUT_SECONDS = 300


class JavaUnavailable(Exception):
    """Apache Kafka cannot run here; the message says what is missing."""


@functools.cache
def class_path(of: str = "") -> str:
    """The class path of Kafka's broker and tools, or of what a directory beside them names. Raises JavaUnavailable."""
    _require_java()
    remembered = JAVA_DIR / of / "target" / "classpath.txt"
    remembered.parent.mkdir(exist_ok=True)
    with _alone(remembered.with_suffix(".lock")):
        if not _is_current(remembered):
            _resolve(remembered)
    return remembered.read_text().strip()


@functools.cache
def why_java_is_unavailable(of: str = "") -> str | None:
    """One line for a skip, or None where Apache Kafka can run. Found out once: without a network that takes a while."""
    try:
        class_path(of)
    except JavaUnavailable as reason:
        return str(reason)
    return None


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """No other process is in here meanwhile: two Mavens would write to the same files."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _require_java() -> None:
    if shutil.which("java") is None:
        raise JavaUnavailable("java is not on the PATH")
    banner = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', banner)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise JavaUnavailable(f"Java {OLDEST_JAVA} or later is needed, found: {banner.splitlines()[:1]}")


def _is_current(remembered: Path) -> bool:
    if not remembered.exists() or remembered.stat().st_mtime < (_project(remembered) / "pom.xml").stat().st_mtime:
        return False
    return all(Path(jar).exists() for jar in remembered.read_text().strip().split(":"))


def _project(remembered: Path) -> Path:
    return remembered.parents[1]


def _resolve(remembered: Path) -> None:
    if shutil.which("mvn") is None:
        raise JavaUnavailable("mvn (Maven) is not on the PATH")
    fresh = remembered.with_suffix(".new")
    command = ["mvn", "-q", "-B", "dependency:build-classpath", f"-Dmdep.outputFile={fresh}"]
    for attempt in ([*command, "-o"], command):
        try:
            done = subprocess.run(
                attempt,
                cwd=_project(remembered),
                capture_output=True,
                text=True,
                check=False,
                timeout=RESOLVE_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as late:
            raise JavaUnavailable(f"Maven did not resolve Kafka's jars in {late.timeout:.0f} s") from None
        if done.returncode == 0:
            fresh.replace(remembered)
            return
    raise JavaUnavailable(f"Maven could not resolve Kafka's jars: {done.stdout.strip()[:200]}")
