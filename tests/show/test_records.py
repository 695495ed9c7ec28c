"""Records on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from k1nb.checks import Status
from k1nb.config import Settings
from k1nb.records import Wanted, cells_of, difference, search
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
    print_cells(console, cells_of(old))
    print_difference(console, difference(old, new))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (new.id, "FAIL device bench: free heap", "hello", "red\n", "image/svg+xml", "worse", "−91.9 %"):
        assert text in said, text
    assert "\x1b" not in said
