"""`odradek produce` and `odradek tail` beside kcat: the same lines, the same broker, turn by turn.

    python -m benchmarks.command_line --megabytes 1000 --rounds 3

Prints medians, and the ratio of kcat's time to ours: 0.5 means that we take twice as long. Memory is the largest that
the process had; measured with a tenth of the input too, it says whether it grows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

from referee import Odradek

LINE_BYTES = 950
SMALL_SHARE = 10


class Cost(NamedTuple):
    """Of one process."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def main() -> None:
    options = _options()
    if shutil.which("kcat") is None:
        sys.exit("kcat is not installed: apt-get install kcat")
    with tempfile.TemporaryDirectory(dir=options.data_dir, prefix="odradek-bench-") as directory:
        broker = Odradek(Path(directory) / "data", {"log.flush.policy": "interval"})
        broker.start()
        try:
            for share in (SMALL_SHARE, 1):
                megabytes = options.megabytes // share
                print(f"{megabytes} MB in lines of {LINE_BYTES} bytes, median of {options.rounds}", flush=True)
                _compare(broker.bootstrap, Path(directory), megabytes, options.rounds)
        finally:
            broker.stop()


def _compare(bootstrap: str, directory: Path, megabytes: int, rounds: int) -> None:
    lines = directory / "lines"
    _write_lines(lines, megabytes)
    ours = [sys.executable, "-m", "odradek_cli"]
    costs: dict[str, list[Cost]] = {name: [] for name in ("produce", "kcat -P", "tail --raw", "tail", "kcat -C")}
    for number in range(rounds):
        mine, theirs = f"ours-{megabytes}-{number}", f"kcat-{megabytes}-{number}"
        subprocess.run([*ours, "topic", "create", mine, "-b", bootstrap], check=True)
        subprocess.run([*ours, "topic", "create", theirs, "-b", bootstrap], check=True)
        with lines.open("rb") as file:
            costs["produce"].append(_cost([*ours, "produce", mine, "-b", bootstrap], file))
        with lines.open("rb") as file:
            costs["kcat -P"].append(_cost(["kcat", "-P", "-b", bootstrap, "-t", theirs], file))
        read = ["tail", mine, "--from", "earliest", "--no-follow", "-b", bootstrap]
        costs["tail --raw"].append(_cost([*ours, *read, "--raw"], None))
        costs["tail"].append(_cost([*ours, *read], None))
        costs["kcat -C"].append(_cost(["kcat", "-C", "-b", bootstrap, "-t", mine, "-o", "beginning", "-e", "-q"], None))
    lines.unlink()
    for name, theirs in (("produce", "kcat -P"), ("tail --raw", "kcat -C"), ("tail", "kcat -C")):
        _print(name, _median(costs[name]), theirs, _median(costs[theirs]))


def _write_lines(path: Path, megabytes: int) -> None:
    block = (os.urandom(LINE_BYTES // 2).hex()[: LINE_BYTES - 1] + "\n") * (1_000_000 // LINE_BYTES)
    with path.open("w") as file:
        for _ in range(megabytes):
            file.write(block)


def _cost(command: list[str], stdin: IO[Any] | None) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(each) for each in zip(*costs, strict=True)))


def _print(name: str, ours: Cost, their_name: str, theirs: Cost) -> None:
    print(
        f"  {name:<11} {ours.wall_s:7.2f} s {ours.cpu_s:7.2f} s of CPU {ours.memory_mb:6.0f} MB   "
        f"{their_name:<8} {theirs.wall_s:7.2f} s {theirs.cpu_s:7.2f} s of CPU {theirs.memory_mb:6.0f} MB   "
        f"ratio {theirs.wall_s / ours.wall_s:.2f}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data-dir", type=Path, help="where the broker's data and the lines go meanwhile")
    return parser.parse_args()


if __name__ == "__main__":
    main()
