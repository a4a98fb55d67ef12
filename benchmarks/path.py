"""Where the time of one record goes: each step of a Produce through the broker, in microseconds.

    python -m benchmarks.path [--records 3000] [--value-bytes 1000]

One record is in flight at a time, so whatever the brokers pass between a request and its answer belongs to that
request. The brokers are processes of their own, with marks put into them from outside (path_probe.py); each step is the
time from one mark to the next. Printed are the median, and what nine in ten take longer than: where others use the
machine, that is what the step itself costs. The sum of the steps is about, not exactly, that of the whole.

The last line is what the same load takes of the processor without marks: CPU time per record of each process, which a
busy machine disturbs less than the clock on the wall.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks.client_processes import fresh_topic
from benchmarks.cluster.clusters import FLUSH_POLICY, OdradekCluster
from benchmarks.contenders import FSYNC, PAGE_CACHE
from benchmarks.raw_client import RawClient, leader_of, produce_frame, produced
from odradek.testing.node import Node
from referee import Odradek

Times: TypeAlias = dict[str, list[int]]
"""Of one process: when it passed each mark, in order."""
Step: TypeAlias = tuple[str, str]
"""Who takes it, and the mark at its end."""
Exchange: TypeAlias = tuple[int, int]
"""When the client sent a request, and when it had the answer."""

LEADER, FOLLOWER, CLIENT = "leader", "follower", "client"
ANSWERED = "answered"
ASLEEP = {"woken", "scheduled"}
"""Marks that are passed only by who has slept. The next request may be there before."""
NEVER = 2**63
PAUSE_NS = 100_000
"""Between two records the client does something else, and meanwhile the brokers go to sleep."""
BROKERS = 3

ARRIVES = [(LEADER, mark) for mark in ("woken", "scheduled", "received", "framed", "decoded", "validated", "appended")]
SYNCS = ["handed over", "taken", "synced", "back"]
LEAVES = [(LEADER, mark) for mark in ("answering", "encoded", "sent")]
COPIES = ["woken", "scheduled", "received", "copied"]
END = [(CLIENT, ANSWERED)]

ALONE: dict[str, list[Step]] = {
    PAGE_CACHE: [*ARRIVES, *LEAVES, *END],
    FSYNC: [*ARRIVES, *((LEADER, mark) for mark in SYNCS), (LEADER, "committed"), *LEAVES, *END],
}
REPLICATED: dict[str, list[Step]] = {
    policy: [
        *ARRIVES,
        (LEADER, "answering"),
        *((FOLLOWER, mark) for mark in [*COPIES, *syncs, "asked"]),
        *((LEADER, mark) for mark in ("woken", "received", "decoded", "committed")),
        *LEAVES,
        *END,
    ]
    for policy, syncs in ((PAGE_CACHE, []), (FSYNC, SYNCS))
}


def main() -> None:
    options = _options()
    for policy in (PAGE_CACHE, FSYNC):
        for title, measure in (("one broker", _alone), ("three brokers", _replicated)):
            with tempfile.TemporaryDirectory(dir=options.data_dir, prefix="odradek-path-") as directory:
                print(f"\n{policy}, {title}, acks=all, {options.value_bytes} bytes", flush=True)
                measure(Path(directory), policy, options.records, options.value_bytes)


# ------------------------------------------------------------------------------------------------------- measuring


class ProbedBroker(Odradek):
    """Leaves its marks in `marks.json` below its data directory."""

    def command(self) -> list[str]:
        return _probed(super().command(), self.data_dir.parent / f"{self.port}.marks")

    @property
    def marks(self) -> Path:
        return self.data_dir.parent / f"{self.port}.marks"


class ProbedCluster(OdradekCluster):
    """Leaves each broker's marks beside its directory."""

    def __enter__(self) -> ProbedCluster:
        plain = Node._command
        Node._command = lambda node: _probed(plain(node), _marks_of(node))  # type: ignore[method-assign, assignment]
        try:
            super().__enter__()
        finally:
            Node._command = plain  # type: ignore[method-assign]
        return self

    @property
    def marks(self) -> list[Path]:
        return [_marks_of(broker) for broker in self._cluster.brokers]


def _marks_of(node: Node) -> Path:
    return node.directory.parent / f"{node.directory.name}.marks"


def _probed(command: list[str], file: Path) -> list[str]:
    """The command of a broker, with marks."""
    at = command.index("odradek_cli")
    return [*command[:at], "benchmarks.path_probe", str(file), *command[at + 1 :]]


def _alone(directory: Path, policy: str, records: int, value_bytes: int) -> None:
    settings = FLUSH_POLICY[policy]
    probed = ProbedBroker(directory / "probed", settings)
    probed.start()
    try:
        with fresh_topic(probed) as topic:
            exchanges = _load(probed.bootstrap, topic, records, value_bytes)
    finally:
        probed.stop()
    _print(ALONE[policy], exchanges, {LEADER: _times(probed.marks)}, [])
    plain = Odradek(directory / "plain", settings)
    plain.start()
    try:
        with fresh_topic(plain) as topic:
            _print_plain(plain.bootstrap, plain.pids, topic, records, value_bytes)
    finally:
        plain.stop()


def _replicated(directory: Path, policy: str, records: int, value_bytes: int) -> None:
    with ProbedCluster(directory / "probed", policy) as probed, fresh_topic(probed, 1, BROKERS) as topic:
        exchanges = _load(probed.bootstrap, topic, records, value_bytes)
        marks, addresses = probed.marks, probed.addresses
        leads = addresses.index(leader_of(probed.bootstrap, topic)[1])
    times = [_times(file) for file in marks]
    _print(REPLICATED[policy], exchanges, {LEADER: times.pop(leads)}, times)
    with OdradekCluster(directory / "plain", policy) as plain, fresh_topic(plain, 1, BROKERS) as topic:
        _print_plain(plain.bootstrap, plain.pids, topic, records, value_bytes)


def _load(bootstrap: str, topic: str, records: int, value_bytes: int) -> list[Exchange]:
    """One record after the other; the first third warms everything up and does not count."""
    client = RawClient(leader_of(bootstrap, topic)[1])
    frame = produce_frame(topic, value_bytes, acks=-1)
    exchanges = []
    try:
        for _ in range(records + records // 2):
            began = time.monotonic_ns()
            client.exchange(frame)
            exchanges.append((began, answered := time.monotonic_ns()))
            while time.monotonic_ns() - answered < PAUSE_NS:
                pass
        (answer,) = produced(client, frame).responses[0].partition_responses
    finally:
        client.close()
    if answer.error_code:
        raise RuntimeError(f"the broker answers {answer}")
    return exchanges[records // 2 :]


def _times(file: Path) -> Times:
    times: Times = json.loads(file.read_text())
    return times


# -------------------------------------------------------------------------------------------------------- accounting


def durations(
    steps: Sequence[Step], exchange: Exchange, times: dict[str, Times], followers: Sequence[Times]
) -> list[int] | None:
    """How long each step of one exchange took, in nanoseconds; None where a mark is not passed in it.

    Of followers the slowest counts: it is the one that is waited for.
    """
    paths = [found for each in followers or [{}] if (found := _path(steps, exchange, {**times, FOLLOWER: each}))]
    if not paths or len(paths) < len(followers):
        return None
    asked = steps.index((FOLLOWER, "asked")) if followers else 0
    path = max(paths, key=lambda path: path[asked])
    return [later - earlier for earlier, later in zip([exchange[0], *path], path, strict=False)]


def _path(steps: Sequence[Step], exchange: Exchange, times: dict[str, Times]) -> list[int] | None:
    """When each step was over: each mark's first time after the mark before it."""
    now, answered = exchange
    passed: list[int] = []
    for (who, mark), (next_who, next_mark) in itertools.pairwise(steps):
        at = _first_behind(times[who][mark], now)
        if mark in ASLEEP and at > _first_behind(times[next_who][next_mark], now):
            at = now  # it was awake
        if at > answered and mark != "sent":
            return None
        passed.append(at)
        now = at
    return [*passed, answered]


def _first_behind(times: list[int], now: int) -> int:
    at = bisect_right(times, now)
    return times[at] if at < len(times) else NEVER


def _print(steps: list[Step], exchanges: list[Exchange], times: dict[str, Times], followers: Sequence[Times]) -> None:
    found = [each for exchange in exchanges if (each := durations(steps, exchange, times, followers))]
    if not found:
        print(f"  none of {len(exchanges)} records could be followed")
        return
    for (who, mark), took in zip(steps, zip(*found, strict=True), strict=True):
        print(f"  {who:<9} {mark:<12} {_figures(took)}")
    whole = [answered - sent for sent, answered in exchanges]
    print(f"  {'':<9} {'in all':<12} {_figures(whole)}, with marks; {len(found)} of {len(exchanges)} records followed")


def _figures(took: Sequence[int]) -> str:
    return f"{statistics.median(took) / 1000:8.1f} µs {statistics.quantiles(took, n=10)[0] / 1000:8.1f} µs"


def _print_plain(bootstrap: str, pids: list[int], topic: str, records: int, value_bytes: int) -> None:
    before = list(_cpu_seconds(pids))
    exchanges = _load(bootstrap, topic, records, value_bytes)
    spent = [after - first for first, after in zip(before, _cpu_seconds(pids), strict=True)]
    took = sorted(answered - sent for sent, answered in exchanges)
    cpu = ", ".join(f"{seconds / (records + records // 2) * 1e6:.1f}" for seconds in spent)
    p50, p99 = took[len(took) // 2] / 1000, took[len(took) * 99 // 100] / 1000
    print(f"  without marks: p50 {p50:.1f} µs, p99 {p99:.1f} µs; processor per record {cpu} µs", flush=True)


def _cpu_seconds(pids: list[int]) -> Iterator[float]:
    for pid in pids:
        yield sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=3_000)
    parser.add_argument("--value-bytes", type=int, default=1_000)
    parser.add_argument("--data-dir", type=Path, help="where brokers keep their files (a temporary directory)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
