"""What is imported for nothing costs every start: so it is counted in modules, not in milliseconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("trio", "odradek.cluster.cluster", "odradek_broker.node.node", "odradek.testing.cluster", "asyncio", "ssl")


def imported_by(statement: str) -> set[str]:
    """The heavy ones among the modules that are there after a statement."""
    program = f"import sys\n{statement}\nsys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "statement",
    [
        "import odradek",
        "import odradek.testing",
        "sys.argv = ['odradek', '--help']; from odradek_cli.main import _run; _run(['--help'])",
        "from odradek_cli.main import _run; _run(['--version'])",
    ],
)
def test_what_does_nothing_yet_imports_nothing_heavy(statement: str) -> None:
    assert imported_by(statement) == set()


def test_the_pytest_plugin_imports_nothing_heavy_of_its_own() -> None:
    beside_pytest = imported_by("import pytest")
    assert imported_by("import pytest, odradek.testing.plugin") == beside_pytest
