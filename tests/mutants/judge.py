"""Make mutants of some sources, and ask of each whether a test goes red: what run.py starts in a copy of the tree.

    python judge.py ORDER       ORDER is JSON: sources, tests, children, longest_s, again, found

The verdicts go to the file `found`, as they come, a line of JSON each: [verdict, which mutant].

mutmut makes the mutants: all of a module's in one file, one of them switched on by name. This program runs the tests:
it collects them once, plays each once to see which functions it calls and how long that takes, and then forks a
process for each mutant that plays the tests that call it, the quickest first, until one is red. (mutmut's own runner
begins pytest anew for each, which takes ten times as long.)

Left out are mutants of mere text, in what an exception says, a refusal, an assertion, a line of the log: they decide
nothing. Text is a literal with a blank in it: no name that decides has one.
"""

from __future__ import annotations

import difflib
import gc
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import libcst as cst
import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.file_mutation import Mutation, combine_mutations_to_source, create_mutations
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

KILLED, SURVIVED, UNTESTED = "killed", "survived", "no test calls it"
LOGS = {"debug", "info", "warning", "error", "exception"}

Asked = Callable[[], int]


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    stories: dict[str, str] = {}
    for source in order["sources"]:
        stories |= mutate(Path(source))
    if order["again"] is not None:
        stories = {name: story for name, story in stories.items() if story in set(order["again"])}
    hypothesis.settings.register_profile(
        "judge",
        deadline=None,  # a busy machine is no verdict
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("judge")
    judge = Judge(stories, order)
    options = ["-q", "-m", "not java and not soak", "-p", "no:cacheprovider", "--capture=sys", "--rootdir=."]
    sys.exit(pytest.main([*options, *order["tests"]], plugins=[judge]))


# --- the mutants ---------------------------------------------------------------------------------------------------


def mutate(path: Path) -> dict[str, str]:
    """Replace a source by one that holds all its mutants. Their names, and `module.function: - before + after`."""
    module, mutations, classes, functions = create_mutations(str(path), path.read_text("utf-8"))
    spoken = _spoken(module)
    kept = [mutation for mutation in mutations if not _is_of_text(mutation, spoken)]
    mutated = combine_mutations_to_source(module, kept, classes, functions)
    path.write_text(mutated.code, "utf-8")
    lines = mutated.code.splitlines()
    dotted = ".".join(path.with_suffix("").parts).removesuffix(".__init__")

    def text(name: str) -> list[str]:
        span = mutated.line_span_by_function_name[name]
        return [line.replace(name, "") for line in lines[span.start - 1 : span.end]]

    stories = {}
    for name in mutated.mutant_names:
        mangled = name.rpartition("__mutmut_")[0]
        before, after = text(f"{mangled}__mutmut_orig"), text(name)
        diff = [
            line
            for line in difflib.unified_diff(before, after, lineterm="")
            if line[:1] in "+-" and not line.startswith(("+++", "---"))
        ]
        change = " ".join(f"{line[0]} {line[1:].strip()}" for line in diff)
        function = mangled.removeprefix("xǁ").removeprefix("x_").replace("ǁ", ".")
        stories[f"{dotted}.{name}"] = f"{dotted.partition('.')[2]}.{function}: {change}"
    return stories


def _spoken(module: cst.Module) -> set[int]:
    """The nodes, by identity, that only people read: literals with a blank in them, and calls that log."""
    found: set[int] = set()

    def walk(node: cst.CSTNode, is_within: bool) -> None:
        is_within = is_within or _is_text(node) or _logs(node)
        if is_within:
            found.add(id(node))
        for child in node.children:
            walk(child, is_within)

    walk(module, False)
    return found


def _is_text(node: cst.CSTNode) -> bool:
    match node:
        case cst.SimpleString(value=value):
            return " " in value
        case cst.FormattedString(parts=parts):
            return any(isinstance(part, cst.FormattedStringText) and " " in part.value for part in parts)
        case cst.ConcatenatedString(left=left, right=right):
            return _is_text(left) or _is_text(right)
        case cst.Call(func=cst.Name("str"), args=[cst.Arg(value=cst.Name("error"))]):
            return True
        case cst.Attribute(attr=cst.Name("sentence")):  # of an error code
            return True
    return False


def _logs(node: cst.CSTNode) -> bool:
    match node:
        case cst.Call(func=cst.Attribute(attr=cst.Name(value=name))):
            return name in LOGS
    return False


def _is_of_text(mutation: Mutation, spoken: set[int]) -> bool:
    """Whether a mutation changes nothing but what is said, or leaves it unsaid."""
    before, after = mutation.original_node, mutation.mutated_node
    if id(before) in spoken:
        return True
    if isinstance(before, cst.Call) and isinstance(after, cst.Call):
        kept = {id(argument) for argument in after.args}
        gone = [argument for argument in before.args if id(argument) not in kept]
        return bool(gone) and all(_is_text(argument.value) for argument in gone)
    return False


# --- the tests -----------------------------------------------------------------------------------------------------


class Judge:
    def __init__(self, stories: dict[str, str], order: dict[str, Any]) -> None:
        self._stories = stories
        self._children: int = order["children"]
        self._longest_s: float = order["longest_s"]
        self._found = Path(order["found"])

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            raise session.Failed("the tests cannot be collected")
        items = {item.nodeid: item for item in session.items}
        calls, took_s = self._calls(list(items.values()))
        tests: dict[str, list[pytest.Item]] = defaultdict(list)
        for nodeid in sorted(took_s, key=lambda each: took_s[each]):
            if took_s[nodeid] <= self._longest_s:
                for function in calls[nodeid]:
                    tests[function].append(items[nodeid])
        running: dict[int, str] = {}
        gc.freeze()
        with self._found.open("w", encoding="utf-8", buffering=1) as found:

            def note(mutant: str, verdict: str) -> None:
                found.write(json.dumps([verdict, self._stories[mutant]]) + "\n")

            for mutant in [*self._stories, None]:
                while running and (mutant is None or len(running) >= self._children):
                    pid, status = os.wait()
                    if pid in running:
                        note(running.pop(pid), SURVIVED if status == 0 else KILLED)
                if mutant is None:
                    break
                if asked := tests[mutant.rpartition("__mutmut_")[0]]:
                    limit_s = 5 + 10 * sum(took_s[item.nodeid] for item in asked)
                    running[_fork(partial(_play, mutant, asked), limit_s)] = mutant
                else:
                    note(mutant, UNTESTED)
        return True

    def _calls(self, items: list[pytest.Item]) -> tuple[dict[str, list[str]], dict[str, float]]:
        """Which functions each test calls, and how much time of the processor it takes. In a process of its own, so
        that this one stays without threads: it is forked again and again."""
        note = self._found.with_suffix(".calls")

        def play() -> int:
            set_mutant_under_test("stats")
            calls, took_s = {}, {}
            for item, following in zip(items, [*items[1:], None], strict=True):
                state()._stats.clear()
                began_s = time.process_time()
                if reports := [each for each in runtestprotocol(item, False, following) if each.failed]:
                    os.write(2, f"{item.nodeid} is red without a mutant: {reports[0].longreprtext}\n".encode())
                    return 1
                took_s[item.nodeid] = time.process_time() - began_s
                calls[item.nodeid] = sorted(state()._stats)
            note.write_text(json.dumps([calls, took_s]), "utf-8")
            return 0

        _, status = os.waitpid(_fork(play, None), 0)
        if status:
            raise pytest.UsageError("a test is red without a mutant")
        calls, took_s = json.loads(note.read_text("utf-8"))
        return calls, took_s


def _play(mutant: str, items: list[pytest.Item]) -> int:
    set_mutant_under_test(mutant)
    for item, following in zip(items, [*items[1:], None], strict=True):
        if any(report.failed for report in runtestprotocol(item, False, following)):
            return 1
    return 0


def _fork(task: Asked, limit_s: float | None) -> int:
    """The process that does it. One that takes far more time than its tests do is ended: as good as red."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if limit_s is not None:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s) + 1))
            signal.alarm(60 + 10 * int(limit_s))  # it may wait for ever, and that on a busy machine
        code = task()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
