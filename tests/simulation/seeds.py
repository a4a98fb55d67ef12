"""Many seeds, on all cores: python tests/simulation/seeds.py FIRST COUNT [SECONDS]. Exit code 1 at the first bad.

    --only KIND,KIND    of faults and operations no others than these
    --until SECONDS     the same as the third argument: the run is the same up to there, so a bad one can be shortened
    --worlds KIND,KIND  only seeds whose world has all of these: kinds of worlds, of faults, of operations
    --up-to SEED        and of these none that comes later
    --keep-going        past bad seeds, each of which is told in a line
    --jobs N            processes at a time

A bad seed's last events are told with it.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import count as count_from
from itertools import islice, takewhile

from one_run import Result, plan_of, run_seed
from stability import Violated

SECONDS = 5.0
BATCH = 50


def run_quietly(seed: int, seconds: float, kinds: list[str] | None = None) -> Result:
    """What a run raises is a violation like any other, and told as text, which can go to another process."""
    logging.disable(logging.CRITICAL)
    try:
        return run_seed(seed, seconds, kinds)
    except Exception as error:
        return Result(violation="; ".join(stories(error)))


def stories(error: BaseException) -> Iterator[str]:
    """Of each of its leaves."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from stories(each)
    elif isinstance(error, Violated):
        yield str(error)
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        yield f"{type(error).__name__} at {os.path.basename(last.filename)}:{last.lineno}: {error}"


def run_many(
    first: int,
    count: int,
    seconds: float,
    kinds: list[str] | None = None,
    jobs: int | None = None,
    worlds: Sequence[str] = (),
    up_to: float = math.inf,
) -> Iterator[tuple[int, Result]]:
    """As they come to their ends; with one job, in this process. `worlds`: `count` seeds of those that have these."""
    known = (seed for seed in count_from(first) if seed > up_to or not worlds or plan_of(seed).has(worlds))
    seeds = takewhile(lambda seed: seed <= up_to, islice(known, count))
    if jobs == 1:
        for seed in seeds:
            yield seed, run_quietly(seed, seconds, kinds)
        return
    pool = ProcessPoolExecutor(jobs or os.cpu_count())
    try:
        futures = {pool.submit(run_quietly, seed, seconds, kinds): seed for seed in seeds}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def run_for(first: int, wall_s: float, seconds: float) -> Iterator[tuple[int, Result]]:
    """As many as there is time for."""
    until = time.monotonic() + wall_s
    while time.monotonic() < until:
        yield from run_many(first, BATCH, seconds)
        first += BATCH


def summary(results: list[Result]) -> str:
    """What was covered: worlds, faults, operations by kind, and what the machines did of themselves."""
    hours = sum(result.virtual_s for result in results) / 3600
    records = sum(result.acknowledged for result in results)
    events = sum(result.events for result in results)
    lines = [
        f"{len(results)} seeds, {hours:.2f} virtual hours, {events:,} events, {records:,} acknowledged records",
        _counted("worlds", [Counter(result.kinds) for result in results]),
        _counted("faults", [result.faults for result in results]),
        _counted("operations", [result.operations for result in results]),
        _counted("seen", [result.happened for result in results]),
    ]
    return "\n".join(lines)


def _counted(what: str, counters: list[Counter[str]]) -> str:
    counts = sum(counters, Counter[str]())
    return f"{what}: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float, nargs="?", default=SECONDS)
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--worlds", type=lambda text: text.split(","), default=[])
    parser.add_argument("--up-to", type=float, default=math.inf)
    parser.add_argument("--until", type=float)
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--jobs", type=int)
    given = parser.parse_args()
    seconds = given.seconds if given.until is None else given.until
    began, results, bad = time.monotonic(), [], 0
    for seed, result in run_many(given.first, given.count, seconds, given.only, given.jobs, given.worlds, given.up_to):
        results.append(result)
        if result.is_clean:
            continue
        bad += 1
        if given.keep_going:
            print(f"seed {seed}: {result.violation}", flush=True)
        else:
            print(f"seed {seed}, {', '.join(result.kinds)}", *result.story, sep="\n")
            print(f"seed {seed}: {result.violation}")
            return 1
    print(f"{summary(results)}\n{bad} bad; {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
