"""Many seeds, on all cores: python tests/simulation/seeds.py FIRST COUNT [SECONDS]. Exit code 1 at the first bad."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from one_run import Result, run_seed

SECONDS = 5.0
BATCH = 50


def run_quietly(seed: int, seconds: float) -> Result:
    """What a run raises is a violation like any other, and told as text, which can go to another process."""
    logging.disable(logging.CRITICAL)
    try:
        return run_seed(seed, seconds)
    except Exception as error:
        return Result(violation="; ".join(_stories(error)))


def _stories(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _stories(each)
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        yield f"{type(error).__name__} at {os.path.basename(last.filename)}:{last.lineno}: {error}"


def run_many(first: int, count: int, seconds: float) -> Iterator[tuple[int, Result]]:
    """As they come to their ends."""
    pool = ProcessPoolExecutor(os.cpu_count())
    try:
        futures = {pool.submit(run_quietly, seed, seconds): seed for seed in range(first, first + count)}
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
    faults = sum((result.faults for result in results), Counter[str]())
    hours = sum(result.virtual_s for result in results) / 3600
    records = sum(result.acknowledged for result in results)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(faults.items()))
    events = sum(result.events for result in results)
    return (
        f"{len(results)} seeds, {hours:.2f} virtual hours, {events:,} events, {records:,} acknowledged records; "
        f"{sum(faults.values()):,} faults: {kinds}"
    )


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else SECONDS
    began, results = time.monotonic(), []
    for seed, result in run_many(first, count, seconds):
        results.append(result)
        if not result.is_clean:
            print(f"seed {seed}: {result.violation or result}")
            return 1
    print(f"{summary(results)}; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
