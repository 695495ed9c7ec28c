"""The command line: one command per capability, one library call each."""

from k1nb.cli._app import main

__all__ = ["main"]
