"""The lint for notebooks: each rule catches its fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from k1nb.records import lint, shipped

Change = Callable[[Any], None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of a shipped notebook."""
    return Path(shutil.copy(shipped()["daily_health"], tmp_path))


def _code(source: str) -> Change:
    def change(notebook: Any) -> None:
        notebook.cells[3].source = source

    return change


def _first(source: str) -> Change:
    def change(notebook: Any) -> None:
        notebook.cells[0].source = source

    return change


def _parameters(source: str) -> Change:
    def change(notebook: Any) -> None:
        notebook.cells[1].source = source

    return change


def _outputs(notebook: Any) -> None:
    notebook.cells[3].outputs = [nbformat.v4.new_output("stream", text="x")]


def _same_ids(notebook: Any) -> None:
    notebook.cells[3]["id"] = notebook.cells[1]["id"]


def _untagged(notebook: Any) -> None:
    notebook.cells[1].metadata = {}


def _metadata(notebook: Any) -> None:
    notebook.metadata["papermill"] = {}


def _after(notebook: Any) -> None:
    notebook.cells.append(nbformat.v4.new_code_cell("1 + 1"))


FAULTS = [
    (_code("def f():\n    return 1"), "holds a def"),
    (_code("class A:\n    pass"), "holds a class"),
    (_code("try:\n    x\nexcept E:\n    pass"), "holds a try"),
    (_code("f = lambda: 1"), "holds a lambda"),
    (_code("if x:\n    async def f():\n        pass"), "holds a async def"),
    (_code("%matplotlib inline"), "no plain Python"),
    (_code("!ls"), "no plain Python"),
    (_code("\n".join("x = 1" for _ in range(13))), "13 lines"),
    (_code(""), "0 lines"),
    (_code("run = connect('other', globals())"), "no cell connects"),
    (_code("run.conclude()"), "more than one cell concludes"),
    (_first("Daily health"), "no title"),
    (_first("# Daily health\n**Decides:** x **Run by:** y"), "**Changes:**"),
    (_parameters("hours = 24"), "parameters cell"),
    (_parameters("hours: int = 24"), "hours has no help"),
    (_outputs, "has outputs"),
    (_same_ids, "not canonical"),
    (_untagged, "0 cells have the tag"),
    (_metadata, "metadata is not"),
    (_after, "last cell is not"),
]


@pytest.mark.parametrize(("change", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_each_rule_catches_its_fault(copy: Path, change: Change, words: str) -> None:
    """A notebook with one fault is told of that fault."""
    notebook = nbformat.read(copy, as_version=4)
    change(notebook)
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    assert [text for text in lint.lint(copy) if words in text]


def test_top_level_await_is_plain_python(copy: Path) -> None:
    """Await in a cell is no fault: kernels allow it."""
    notebook = nbformat.read(copy, as_version=4)
    notebook.cells[3].source += "\nawait something()"
    nbformat.write(notebook, copy)
    lint.mend(copy)
    assert lint.lint(copy) == []


def test_mending_gives_back_the_shipped_text(copy: Path) -> None:
    """A shipped notebook that was run and saved is mended to the very text that is shipped."""
    notebook = nbformat.read(copy, as_version=4)
    _outputs(notebook)
    notebook.cells[3].execution_count = 7
    notebook.cells[5].metadata["execution"] = {"iopub.busy": "x"}
    notebook.metadata["papermill"] = {}
    nbformat.write(notebook, copy)
    assert lint.main([str(copy)]) == 1
    assert lint.main(["--mend", str(copy)]) == 0
    assert copy.read_bytes() == shipped()["daily_health"].read_bytes()


def test_the_shipped_notebooks_are_linted_when_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments the shipped notebooks are linted, and they are clean."""
    assert lint.main([]) == 0
    assert capsys.readouterr().err == ""
