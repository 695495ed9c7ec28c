"""The notebook of a run under way, as it is saved."""

from __future__ import annotations

from typing import Any

import papermill.execute  # noqa: F401 - it imports our engine, and with it the manager
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from k1nb.config import Settings
from k1nb.records._manager import Manager
from k1nb.records._record import NOTEBOOK
from k1nb.records._staging import Staging
from k1nb.secrets import Redactor

SECRET = "c0rrect-horse-battery"
REDACT = Redactor([SECRET])
PIECES = ("a c0rr", "", "ect-ho", "rse-battery b", "c")


@pytest.mark.parametrize("between", ["", "x" * 100_000], ids=len)
def test_a_secret_that_goes_on_from_cell_to_cell_is_masked_at_once(settings: Settings, between: str) -> None:
    """Cell by cell, whatever is put out between, a save never holds a whole secret, nor unmasks one that it masked."""
    cells: list[Any] = [new_code_cell(str(n)) for n in range(len(PIECES))]
    cells.insert(2, new_markdown_cell("between"))
    notebook = new_notebook(cells=cells)
    notebook.metadata.papermill = {}
    for cell in cells:
        cell.metadata.papermill = {}
    record = Staging(settings).begin("tiny")
    manager = Manager(notebook, record, REDACT, progress_bar=False)
    manager.notebook_start()
    said, pieces = [], iter([f"{between}{PIECES[0]}", *PIECES[1:]])
    for place, cell in enumerate(cells):
        manager.cell_start(cell, place)
        if cell.cell_type == "code":
            cell.outputs.append(new_output("stream", name="stdout", text=next(pieces)))
        for _ in range(2):
            manager.autosave_cell()
            manager.save()
            said.append("".join(o.text for c in manager.masked(whole=False).cells for o in c.get("outputs", [])))
        manager.cell_complete(cell, place)
    kept = (record.folder / NOTEBOOK).read_text(encoding="utf-8")
    assert [REDACT.found(text) for text in said] == [0] * len(said)
    assert said[-1] == f"{between}a [redacted] bc"
    assert "ect-ho" not in kept
