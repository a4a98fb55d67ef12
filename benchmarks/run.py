"""Run the benchmarks: see the package's docstring for what there is.

python -m benchmarks.run [throughput latency startup own_client flat_cost] [--quick | --full]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import flat_cost, latency, own_client, startup, throughput
from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender, available, make, running
from benchmarks.measurement import Measurement
from benchmarks.picture import draw
from benchmarks.report import number, print_tables, write_json
from benchmarks.scale import FULL, NORMAL, QUICK, Scale

HERE = Path(__file__).parent
Benchmark = Callable[[list[Contender], Scale], Iterator[Measurement]]

WITH_RUNNING_BROKERS: dict[str, Benchmark] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "own_client": own_client.measure,
}
WITH_BROKERS_OF_THEIR_OWN: dict[str, Benchmark] = {"startup": startup.measure, "flat_cost": flat_cost.measure}
EVERYTHING = [*WITH_RUNNING_BROKERS, *WITH_BROKERS_OF_THEIR_OWN]


def main() -> None:
    options = _options()
    scale = QUICK if options.quick else FULL if options.full else NORMAL
    names = available([name for name in (KAFKA, PAGE_CACHE, FSYNC) if name not in options.without])
    measured = []
    with tempfile.TemporaryDirectory(dir=options.data_dir, prefix="odradek-bench-") as directory:
        for measurement in _measure(options.what or EVERYTHING, names, Path(directory), scale):
            medians = ", ".join(f"{name} {number(measurement.median(name) or 0)}" for name in measurement.values)
            print(f"{measurement.name} [{measurement.unit}]: {medians}", flush=True)
            measured.append(measurement)
    print_tables(measured, "one round" if scale.rounds == 1 else f"{scale.rounds} rounds")
    write_json(measured, options.json, scale)
    draw(measured, options.picture)
    print(f"{options.json} and {options.picture} are written")


def _measure(what: list[str], names: list[str], directory: Path, scale: Scale) -> Iterator[Measurement]:
    together = [WITH_RUNNING_BROKERS[each] for each in what if each in WITH_RUNNING_BROKERS]
    if together:
        with running(make(names, directory / "together")) as contenders:
            for benchmark in together:
                yield from benchmark(contenders, scale)
    for each in what:
        if each in WITH_BROKERS_OF_THEIR_OWN:
            yield from WITH_BROKERS_OF_THEIR_OWN[each](make(names, directory / each), scale)


def _known(name: str) -> str:
    """argparse's `choices` refuses an empty list of words."""
    if name not in EVERYTHING:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(EVERYTHING)}")
    return name


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure brokers and clients.")
    parser.add_argument("what", nargs="*", type=_known, metavar="what", help=f"any of {', '.join(EVERYTHING)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="one small round: a look, not a result")
    size.add_argument("--full", action="store_true", help="five rounds, a 20 GB log, a ten-minute load")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help=f"leave out, e.g. '{KAFKA}'")
    parser.add_argument("--data-dir", type=Path, help="where the brokers keep their files (a temporary directory)")
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    parser.add_argument("--picture", type=Path, default=HERE.parent / "docs" / "benchmarks.png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
