"""Why somebody is not let in."""

from __future__ import annotations


class LoginRefused(Exception):
    """The text is told to the client: nothing in it that it has not said itself, and nothing of what is kept."""
