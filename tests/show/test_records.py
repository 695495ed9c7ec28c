"""Records on a terminal."""

from __future__ import annotations

import io
import re

import nbformat
from rich.console import Console

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.records import Wanted, cells_of, difference, search
from k1nb.secrets import Redactor
from k1nb.show import print_cells, print_difference, print_hits, print_record
from tests.records.samples import heap, notebook, sealed, shown


def test_a_record_is_printed_doubts_and_verdict_first(settings: Settings) -> None:
    """What speaks against a record comes before its verdict, and what changed before the checks."""
    console = Console(file=io.StringIO(), width=200)
    record = sealed(settings, heap(Status.FAIL), devices=("bench",), parameters={"told": "[redacted] and [redacted]"})
    print_record(console, record, doubts=["a file is missing"], change="against another: hours 24 → 48")
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[1].startswith(f"FAIL  {record.id}")
    assert (lines[0], lines[2]) == (
        "this record contradicts itself: a file is missing",
        "against another: hours 24 → 48",
    )
    assert {"device: bench", "masked: a secret in 2 places"} <= set(lines)


def test_hits_cells_and_differences_are_printed(settings: Settings) -> None:
    """A hit names run and check, a cell its output without control characters, a difference both sides."""
    console = Console(file=io.StringIO(), width=200)
    old = sealed(settings, heap(), executed=notebook(shown(plain="\x1b[31mred\x1b[0m", svg="<svg/>")), days=1)
    new = sealed(settings, heap(Status.FAIL, 12_288))
    print_hits(console, search(settings, Wanted("heap")).hits)
    print_cells(console, cells_of(old), settings.redact)
    print_difference(console, difference(old, new))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (new.id, "FAIL device bench: free heap", "hello", "red\n", "image/svg+xml", "worse", "−91.9 %"):
        assert text in said, text
    assert "\x1b" not in said


def test_what_is_left_without_what_shows_nothing_is_masked(settings: Settings) -> None:
    """A secret that an older record holds between sequences is not put together where they are taken out."""
    console = Console(file=io.StringIO(), width=200)
    secret = "Tr0ub4dor-Zq9xKw7LmP"
    hidden = "\x1b(B\x1b[m".join(secret)
    cells = notebook(nbformat.v4.new_output("stream", text=f"it is {hidden}"), source=f"it = '{hidden}'")
    print_cells(console, cells_of(sealed(settings, heap(), executed=cells)), Redactor([secret]))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert secret not in said
    assert said.count("[redacted]") == 2
    assert "it is [redacted]\n" in said


def test_what_a_check_says_is_one_line_of_a_hit(settings: Settings) -> None:
    """Line feeds in evidence make no line that looks like another record."""
    console = Console(file=io.StringIO(), width=200)
    forged = Check("a thing: works", Status.FAIL, "low\nOK  20991231-000000-fleet-ffffff  2099-12-31 00:00:00 UTC")
    sealed(settings, forged)
    print_hits(console, search(settings, Wanted("low")).hits)
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert not [line for line in said if line.startswith("OK")]


def test_what_has_one_name_is_told_apart(settings: Settings) -> None:
    """A parameter and a device of one name are told apart, a short time is no dash, and both runs stand in line."""
    console = Console(file=io.StringIO(), width=200)
    cells = notebook()
    old = sealed(settings, heap(), executed=cells, days=1, devices=("bench",), cell_seconds=(None, 0.037),
                 parameters={"device": "bench"})  # fmt: skip
    new = sealed(settings, heap(Status.FAIL), executed=cells, devices=("lab",), cell_seconds=(None, 0.44),
                 parameters={"device": "lab"})  # fmt: skip
    print_difference(console, difference(old, new))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    before, after = said.splitlines()[:2]
    assert before.index(old.id) == after.index(new.id)
    rows = {" ".join(line.split()) for line in said.splitlines()}
    assert {"parameter device bench lab", "about device bench –", "about device – lab"} <= rows
    assert "Title: seconds 0.037 0.44 0.403" in rows


def test_source_has_the_terminal_s_own_colours(settings: Settings) -> None:
    """Plain source sets neither a colour nor a background, and one blank line follows what a cell put out."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor", no_color=False)
    printed = nbformat.v4.new_output("stream", text="hello\n\n")
    record = sealed(settings, heap(), executed=notebook(printed, source="value = other"))
    print_cells(console, cells_of(record), settings.redact)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    (source,) = (line for line in said.splitlines() if "other" in line)
    assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|9[0-7]|4[0-8])[0-9;]*m", source)
    assert said.endswith("hello\n\n")
