"""The steady writer as its parent sees it: what it has acknowledged so far, and when."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

RECORDS_PER_SECOND = 5_000
PATIENCE_SECONDS = 90


class SteadyWriter:
    """`python -m benchmarks.client_steady`. Use as `with`: at its end everything acknowledged has been found again."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        task = {"bootstrap": bootstrap, "topic": topic, "records_per_s": RECORDS_PER_SECOND}
        command = [sys.executable, "-m", "benchmarks.client_steady", json.dumps(task)]
        pipe = subprocess.PIPE
        self.acknowledged: list[tuple[float, int]] = []
        """Times, as time.monotonic says them, and how many records at each."""
        self._verdict: dict[str, int] | None = None
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def wait_for_acknowledgements(self, after: float, count: int = RECORDS_PER_SECOND) -> None:
        """Until `count` records were acknowledged later than `after`. Raises TimeoutError, RuntimeError."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while self._count(after) < count:
            if self._process.poll() is not None:
                raise RuntimeError("the writer has ended")
            if time.monotonic() > give_up:
                raise TimeoutError("nothing is acknowledged any more")
            time.sleep(0.01)

    def _count(self, after: float) -> int:
        """Of the last ones only: the list is long, and the writer needs the processor."""
        recent = itertools.takewhile(lambda each: each[0] > after, reversed(self.acknowledged))
        return sum(records for _, records in recent)

    def longest_gap_ms(self, after: float) -> float:
        """Between two acknowledgements, the later of which came later than `after`."""
        times = [when for when, _ in self.acknowledged]
        pairs = itertools.pairwise(times)
        return 1000 * max(later - sooner for sooner, later in pairs if later > after)

    def _listen(self, output: Iterable[str]) -> None:
        for line in output:
            if line.startswith("{"):
                self._verdict = json.loads(line)
            else:
                when, count = line.split()
                self.acknowledged.append((float(when), int(count)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        if error is not None:
            self._process.kill()
        self._process.stdin.close()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        if error is None:
            self._judge()

    def _judge(self) -> None:
        """Raises RuntimeError where an acknowledged record is lost, or any was refused or is there twice."""
        told = self._verdict
        if told is None:
            raise RuntimeError("the writer failed")
        if told["lost"] or told["twice"] or told["refused"] or told["acknowledged"] != told["sent"]:
            raise RuntimeError(f"records went wrong: {told}")
