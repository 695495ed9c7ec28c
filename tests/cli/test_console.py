"""The console of every command: what others wrote is shown on it, and a terminal obeys none of it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.cli.test_progress import on_terminal

HOSTILE = "status \\x1b[2J\\x1b[H\\x1b[32mOK\\x1b[0m \\x9b2J\\u202egnp"
SHOWN = "status OK gnp"
SHOWING = f"""
import os
os.environ.pop("NO_COLOR", None)
from datetime import UTC, datetime
from rich.text import Text
from k1nb import show
from k1nb.checks import Check, Status
from k1nb.cli import _output

said = "{HOSTILE}"
console = _output.console()
show.print_checks(console, [Check(said, Status.FAIL, said, said)])
console.print(Text(said), soft_wrap=True)
console.print(said, markup=False)
_output.say(said)
_output.note(said)
_output.data([said, "\\x9b2J\\u202e"])
"""
BAR = f"""
from k1nb.cli import _output
with _output.progress("{HOSTILE}") as advance:
    advance(1, 2)
"""
FAILING = f"""
from k1nb.cli import _output
_output.fail("{HOSTILE}", "{HOSTILE}", 0)
"""


def test_no_text_of_others_moves_a_cursor_or_paints() -> None:
    """Checks, lines, notes and JSON come without control characters; the colour of the status is rich's own."""
    shown = on_terminal(SHOWING)
    assert shown.count(SHOWN) == 7
    assert "\x1b[1;31mFAIL" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).isascii()
    assert not re.search(r"\x1b\[(?![0-9;]*m)|\x1b\[32m", shown)


def test_a_bar_is_drawn_by_rich_alone() -> None:
    """The live line moves in its place as ever, and what it tells of is only told."""
    shown = on_terminal(BAR)
    assert SHOWN in shown
    assert "\x1b[2K" in shown  # rich clears its own line
    assert not re.search(r"\x1b\[2J|\x1b\[H|\x9b|\u202e", shown)


@pytest.mark.parametrize("program", [FAILING])
def test_an_error_is_plain_in_a_pipe(program: str) -> None:
    """Message and hint come as two lines without control characters."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == f"error: {SHOWN}\nhint: {SHOWN}\n"
