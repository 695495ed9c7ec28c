"""What hints tell people to type is there to be typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import k1nb
from k1nb.cli._app import app

PACKAGE = Path(k1nb.__file__).parent
ROOT = PACKAGE.parent
_QUOTED = re.compile(r"`k1nb ([^`]+)`")


def texts() -> Iterator[str]:
    """Yield what the package says, and the README."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"`{node.value}`" if node.value.startswith("k1nb ") else node.value
    yield (ROOT / "README.md").read_text(encoding="utf-8")


COMMANDS = sorted({found for text in texts() for found in _QUOTED.findall(text)})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_named_exists(command: str) -> None:
    """Every `k1nb …` in a hint, a docstring or the README is a command of the command line."""
    words = command.split()
    found: Any = typer.main.get_command(app)
    if words[0].startswith("--"):
        assert words[0] in {option for parameter in found.params for option in parameter.opts}, command
        return
    while hasattr(found, "commands") and words:
        assert words[0] in found.commands, command
        found = found.commands[words.pop(0)]


def test_commands_were_found() -> None:
    """Hints do name commands, or the test above would prove nothing."""
    assert len(COMMANDS) > 20
