"""What a planted bug is: pieces of the sources, and what takes their place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    file: str
    """Below odradek_broker."""
    before: str
    after: str


@dataclass(frozen=True)
class Bug:
    name: str
    edits: tuple[Edit, ...]
    needs: tuple[str, ...] = ()
    """Kinds of worlds, faults or operations without which nothing can be seen of it."""
    lasts_s: float | None = None
    """How long a run has to be at least, where that is longer than most."""
    seen_by: tuple[str, ...] = ()
    """What Python is to run, where the seeds of whole worlds are not what sees it: another walk, or a test."""


def planted(
    name: str,
    file: str,
    before: str,
    after: str,
    *more: tuple[str, str, str],
    needs: tuple[str, ...] = (),
    lasts_s: float | None = None,
    seen_by: tuple[str, ...] = (),
) -> Bug:
    return Bug(name, (Edit(file, before, after), *(Edit(*each) for each in more)), needs, lasts_s, seen_by)
