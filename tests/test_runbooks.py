"""The runbooks: four headings, none empty, and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from k1nb.cli._app import app
from k1nb.paths import share
from k1nb.records import shipped

HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
RUNBOOKS = sorted(share("runbooks").glob("*.md"))
_COMMAND = re.compile(r"(?:^\s*|`)(k1nb [^`\n]+)", re.MULTILINE)
COMMANDS = sorted({command.strip() for file in RUNBOOKS for command in _COMMAND.findall(file.read_text())})


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_has_four_headings_and_something_under_each(file: Path) -> None:
    """A runbook says Meaning, Impact, Diagnosis and Mitigation, in this order, and none of them is empty."""
    _, *sections = re.split(r"^## ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [section.partition("\n")[0] for section in sections] == HEADINGS
    assert all(len(section.partition("\n")[2].split()) > 20 for section in sections)


def test_every_notebook_has_a_runbook() -> None:
    """There is a runbook for every shipped notebook."""
    assert {file.stem for file in RUNBOOKS} >= set(shipped())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_runbook_exists(command: str) -> None:
    """Every command that a runbook gives is one of the command line, with these options."""
    _, *words = command.split()
    found: Any = typer.main.get_command(app)
    while hasattr(found, "commands"):
        assert words, f"{command} names a group only"
        assert words[0] in found.commands, command
        found = found.commands[words.pop(0)]
    known = {option for parameter in found.params for option in parameter.opts if option.startswith("-")}
    assert {word for word in words if word.startswith("-")} <= known
    takes = any(parameter.param_type_name == "argument" for parameter in found.params)
    assert takes or not words or words[0].startswith("-")


def test_the_commands_were_found() -> None:
    """The runbooks do give commands, or the test above would prove nothing."""
    assert len(COMMANDS) > 10
