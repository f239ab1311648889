"""Public names say the module in which they are public, wherever their code lies."""

from typing import Any


def at_home(module: str, *things: Any) -> None:
    """Let functions and classes name `module` as theirs: messages, and pickles, which so outlive a move of files."""
    for thing in things:
        thing.__module__ = module
