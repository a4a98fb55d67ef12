"""Programs of referee/go, built by the Go compiler of this machine, where there is one."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent / "go"
BUILD_SECONDS = 300


@functools.cache
def why_go_is_unavailable() -> str | None:
    """None where `judge` can be had. Its modules come from Go's module proxy, when they are needed first."""
    if shutil.which("go") is None:
        return "there is no Go on this machine"
    try:
        _build()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return f"referee/go cannot be built here: {(error.stderr or b'').decode(errors='replace')[-300:] or error}"
    return None


def judge(bootstrap: str, topic: str) -> list[str]:
    """The argv of the program in referee/go/main.go."""
    return [str(_build()), bootstrap, topic]


@functools.cache
def _build() -> Path:
    program = Path(tempfile.mkdtemp(prefix="odradek-referee-")) / "judge"
    subprocess.run(
        ["go", "build", "-o", str(program), "."], cwd=SOURCES, check=True, capture_output=True, timeout=BUILD_SECONDS
    )
    return program
