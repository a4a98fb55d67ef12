"""Run the benchmarks: see the package's docstring for what there is.

python -m benchmarks.run [throughput latency startup own_client groups transaction_speed flat_cost transactions
                          capacity logins tls permissions security cluster]
                         [--quick | --full]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    capacity,
    flat_cost,
    groups,
    latency,
    logins,
    own_client,
    permissions,
    startup,
    throughput,
    tls,
    transaction_speed,
    transactions,
)
from benchmarks.cluster import controller_failover, crowd, failover
from benchmarks.cluster import latency as cluster_latency
from benchmarks.cluster import picture as cluster_picture
from benchmarks.cluster import startup as cluster_startup
from benchmarks.cluster import throughput as cluster_throughput
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender, available, make, running
from benchmarks.measurement import Measurement
from benchmarks.picture import draw
from benchmarks.report import number, print_tables, write_json, write_markdown
from benchmarks.scale import FULL, NORMAL, QUICK, Scale

HERE = Path(__file__).parent
Benchmark = Callable[[list[Contender], Scale], Iterator[Measurement]]
ClusterBenchmark = Callable[[list[str], Path, Scale], Iterator[Measurement]]

WITH_RUNNING_BROKERS: dict[str, Benchmark] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "own_client": own_client.measure,
    "groups": groups.measure,
    "transaction_speed": transaction_speed.measure,
}
WITH_BROKERS_OF_THEIR_OWN: dict[str, Benchmark] = {
    "startup": startup.measure,
    "flat_cost": flat_cost.measure,
    "transactions": transactions.measure,
    "capacity": capacity.measure,
    "logins": logins.measure,
    "tls": tls.measure,
    "permissions": permissions.measure,
}
WITH_THREE_BROKERS: dict[str, ClusterBenchmark] = {
    "cluster.throughput": cluster_throughput.measure,
    "cluster.latency": cluster_latency.measure,
    "cluster.failover": failover.measure,
    "cluster.controller_failover": controller_failover.measure,
    "cluster.startup": cluster_startup.measure,
    "cluster.crowd": crowd.measure,
    "cluster.transaction_speed": transaction_speed.measure_three,
}
CLUSTER = "cluster"
"""All with three brokers: an hour of their own, and so only on request."""
WITH_ONE_BROKER = [*WITH_RUNNING_BROKERS, *WITH_BROKERS_OF_THEIR_OWN]
SECURITY = ["tls", "permissions", "logins"]
TOGETHER = {CLUSTER: list(WITH_THREE_BROKERS), "security": SECURITY}
KNOWN = [*WITH_ONE_BROKER, *TOGETHER, *WITH_THREE_BROKERS]


def main() -> None:
    options = _options()
    scale = QUICK if options.quick else FULL if options.full else NORMAL
    scale = replace(scale, rounds=options.rounds or scale.rounds)
    names = available([name for name in (KAFKA, PAGE_CACHE, FSYNC) if name not in options.without])
    measured = []
    with tempfile.TemporaryDirectory(dir=options.data_dir, prefix="odradek-bench-") as directory:
        for measurement in _measure(_spelled_out(options.what or WITH_ONE_BROKER), names, Path(directory), scale):
            medians = ", ".join(f"{name} {number(measurement.median(name) or 0)}" for name in measurement.values)
            print(f"{measurement.name} [{measurement.unit}]: {medians}", flush=True)
            measured.append(measurement)
    print_tables(measured, "one round" if scale.rounds == 1 else f"{scale.rounds} rounds")
    write_json(measured, options.json, scale)
    write_markdown(measured, options.json.with_suffix(".md"))
    draw(measured, options.picture)
    cluster_picture.draw(measured, options.failover_picture)
    print(f"{options.json}, the same as Markdown beside it, and the pictures are written")


def _measure(what: list[str], names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    together = [WITH_RUNNING_BROKERS[each] for each in what if each in WITH_RUNNING_BROKERS]
    if together:
        with running(make(names, directory / "together")) as contenders:
            for benchmark in together:
                yield from benchmark(contenders, scale)
    for each in what:
        if each in WITH_BROKERS_OF_THEIR_OWN:
            yield from WITH_BROKERS_OF_THEIR_OWN[each](make(names, directory / each), scale)
        if each in WITH_THREE_BROKERS:
            for measurement in WITH_THREE_BROKERS[each](names, directory / each, scale):
                measurement.in_picture = False  # which is about single brokers
                yield measurement


def _spelled_out(what: list[str]) -> list[str]:
    return [each for word in what for each in TOGETHER.get(word, [word])]


def _known(name: str) -> str:
    """argparse's `choices` refuses an empty list of words."""
    if name not in KNOWN:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(KNOWN)}")
    return name


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure brokers and clients.")
    parser.add_argument("what", nargs="*", type=_known, metavar="what", help=f"any of {', '.join(KNOWN)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="one small round: a look, not a result")
    size.add_argument("--full", action="store_true", help="five rounds, a 20 GB log, a ten-minute load")
    parser.add_argument("--rounds", type=int, help="how often each thing is measured (3)")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help=f"leave out, e.g. '{KAFKA}'")
    parser.add_argument("--data-dir", type=Path, help="where the brokers keep their files (a temporary directory)")
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    parser.add_argument("--picture", type=Path, default=HERE.parent / "docs" / "benchmarks.png")
    parser.add_argument("--failover-picture", type=Path, default=HERE.parent / "docs" / "failover.png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
