"""What README and docs show runs as it stands, from a wheel in place of the sources."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pip._vendor import certifi

from tests.docs.snippets import ROOT, program, snippets

pytestmark = pytest.mark.slow

SECONDS = 60

SEEN = {
    "README.md 0": "customer 7 spool of thread 3",
    "docs/asyncio.md 0": "b'v'",
    "docs/asyncio.md 1": "sent",
    "docs/client.md 0": "0 b'value'",
    "docs/client.md 1": "orders",
    "docs/client.md 2": "b'invoice for an order'",
    "docs/client.md 3": "0",
    "docs/client.md 4": "b'a bad one'",
    "docs/client.md 5": "once more: b'a good one'",
    "docs/client.md 6": "UA1545 EWR",
    "docs/client.md 7": "localhost:1",
    "docs/client.md 8": "secured",
    "docs/client.md 9": "0",
    "docs/client.md 10": "handled b'an order'",
    "docs/sync.md 0": "b'9999'",
    "docs/sync.md 1": "1",
}
"""Of each snippet that is a program, something that it prints. It may go on for ever afterwards."""

TESTS = ["docs/chaos.md 0", "docs/sync.md 2"]
"""Those that are files for pytest."""

SAME = {"README.md 1": "docs/chaos.md 0"}
"""Those that are another one, which is run."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the wheel is what is imported."""
    here = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*build, "--no-build-isolation", "--wheel-dir", str(here), str(ROOT)], check=True)
    [wheel] = here.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(here / "site")
    return os.environ | {"PYTHONPATH": str(here / "site"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def bootstrap(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    here = tmp_path_factory.mktemp("broker")
    command = [sys.executable, "-m", "odradek_cli", "up", "--port", "0", "--data-dir", str(here)]
    with subprocess.Popen(command, env=installed, cwd=here, stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout is not None
        try:
            yield next(line.split()[1] for line in broker.stdout if line.startswith("ready "))
        finally:
            broker.terminate()


def test_every_snippet_is_run_here() -> None:
    assert sorted([*SEEN, *TESTS, *SAME]) == sorted(snippets())


@pytest.mark.parametrize("name", SEEN)
def test_a_program_in_the_prose_does_what_it_says(
    name: str, installed: dict[str, str], bootstrap: str, tmp_path: Path
) -> None:
    shutil.copy(certifi.where(), tmp_path / "ca.pem")
    (tmp_path / "program.py").write_text(program(name, bootstrap), "utf-8")
    with subprocess.Popen(
        [sys.executable, "program.py"],
        env=installed,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        said = []
        try:
            for line in running.stdout:
                said.append(line)
                if SEEN[name] in line:
                    return
        finally:
            running.kill()
    pytest.fail("".join(said))


@pytest.mark.parametrize("name", TESTS)
def test_a_test_in_the_prose_passes_in_a_project_that_has_set_up_nothing(
    name: str, installed: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(snippets()[name], "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_it.py"],
        env=installed,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("name", SAME)
def test_what_is_shown_twice_is_the_same(name: str) -> None:
    assert snippets()[name] == snippets()[SAME[name]]


def test_the_commands_of_the_readme_do_what_they_say(installed: dict[str, str], bootstrap: str, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text("utf-8").split("## From the command line")[1].split("\n## ")[0]
    commands = re.findall(r"^    (.*)$", section, re.MULTILINE)
    *first, last = [command.replace("odradek ", f"{sys.executable} -m odradek_cli ") for command in commands]
    environment = installed | {"ODRADEK_BOOTSTRAP_SERVER": bootstrap}
    for command in first:
        subprocess.run(command, shell=True, env=environment, cwd=tmp_path, check=True, timeout=SECONDS)
    # Without a shell between, which would end alone and leave the command to go on for ever.
    with subprocess.Popen(shlex.split(last), env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        line = tail.stdout.readline()
        tail.terminate()
        tail.communicate(timeout=SECONDS)  # which waits for whoever has the pipe
    assert '"pieces": 3' in line or '"pieces":3' in line
