"""Where the project lives, as a distribution says it: addresses, and links of README.md that PyPI's page can follow.

    ODRADEK_REPOSITORY=https://HOST/OWNER/odradek python -m build

Links are to the tag of the version that is built. An sdist keeps them for what is built out of it; without the variable
there are no addresses, and README.md stays as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

VARIABLE = "ODRADEK_REPOSITORY"
_relative_link = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?=\S+\))")


class LinksHook(MetadataHookInterface):
    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        readme = (Path(self.root) / "README.md").read_text("utf-8")
        repository = os.environ.get(VARIABLE, "").rstrip("/")
        if repository:
            readme = absolute(readme, repository, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
        metadata["urls"] = addresses(repository, metadata["version"]) if repository else {}


def addresses(repository: str, version: str) -> dict[str, str]:
    """By PyPI's names for them."""
    files = files_of(repository, version)
    return {
        "Homepage": repository,
        "Documentation": f"{files}docs/index.md",
        "Changelog": f"{files}CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def absolute(markdown: str, repository: str, version: str) -> str:
    """With links that are relative to the repository's root made absolute."""
    return _relative_link.sub(files_of(repository, version), markdown)


def files_of(repository: str, version: str) -> str:
    return f"{repository}/blob/v{version}/"
