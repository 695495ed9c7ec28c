"""Lint for notebooks: `python -m k1nb.records.lint [--mend] [FILE ...]`, the shipped ones if none is named.

It holds what a record needs from its notebook: a title that says what is decided, typed parameters, short cells
without logic of their own, one last cell that concludes, no outputs, one canonical text. `--mend` strips and rewrites
what a tool can mend.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from k1nb.errors import ParameterError
from k1nb.paths import write_text
from k1nb.records._notebook import PARAMETERS, canonical, read_notebook, shipped
from k1nb.records._parameters import declared

MAX_LINES = 12
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_TITLE = ("**Decides:**", "**Run by:**", "**Changes:**")
_LOGIC = {
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "async def",
    ast.Lambda: "lambda",
    ast.ClassDef: "class",
    ast.Try: "try",
    ast.TryStar: "try",
}


def lint(file: Path) -> list[str]:
    """Return what is wrong with a notebook, each as `file: cell: what`; raises RecordError where it is none."""
    notebook = read_notebook(file)
    rules: tuple[Callable[[Any, str], Iterator[str]], ...] = (_text, _title, _parameters, _frame, _cells)
    found = [f"{file.name}: {text}" for rule in rules for text in rule(notebook, file.stem)]
    if canonical(notebook) != file.read_text(encoding="utf-8"):
        found.append(f"{file.name}: the text is not canonical: mend it with python -m k1nb.records.lint --mend")
    return found


def mend(file: Path) -> None:
    """Strip a notebook of outputs and foreign metadata and write it in the canonical form."""
    notebook = read_notebook(file)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = METADATA
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cell["id"] = cell.get("id") or f"cell-{number}"
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip().splitlines())
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    write_text(file, canonical(notebook), mode=0o644)


def _text(notebook: Any, name: str) -> Iterator[str]:  # noqa: ARG001 - rules share one signature
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"format {notebook.nbformat}.{notebook.nbformat_minor} is not 4.5"
    if dict(notebook.metadata) != METADATA:
        yield "the metadata is not that of a plain Python 3 notebook"


def _title(notebook: Any, name: str) -> Iterator[str]:  # noqa: ARG001 - likewise
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "the first cell is no title"
        return
    yield from (f"the title does not say {mark}" for mark in _TITLE if mark not in first.source)


def _parameters(notebook: Any, name: str) -> Iterator[str]:  # noqa: ARG001 - likewise
    tagged = [cell for cell in notebook.cells if PARAMETERS in cell.metadata.get("tags", ())]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells have the tag {PARAMETERS!r}, one is wanted"
        return
    try:
        found = declared(tagged[0].source)
    except ParameterError as error:
        yield error.message
        return
    yield from (f"parameter {p.name} has no help" for p in found.values() if not p.help)


def _frame(notebook: Any, name: str) -> Iterator[str]:
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    if not any(f'connect("{name}", globals())' in source for source in code):
        yield f'no cell connects with connect("{name}", globals())'
    if not notebook.cells or notebook.cells[-1].source != "run.conclude()":
        yield "the last cell is not run.conclude()"
    if sum("conclude(" in source for source in code) > 1:
        yield "more than one cell concludes"


def _cells(notebook: Any, name: str) -> Iterator[str]:  # noqa: ARG001 - likewise
    for number, cell in enumerate(notebook.cells, 1):
        if set(cell.metadata) - {"tags"}:
            yield f"cell {number}: metadata other than tags"
        if cell.cell_type == "code":
            yield from (f"cell {number}: {text}" for text in _code(cell))


def _code(cell: Any) -> Iterator[str]:
    if cell.outputs or cell.execution_count is not None:
        yield "it has outputs"
    lines = len(cell.source.splitlines())
    if not 0 < lines <= MAX_LINES:
        yield f"it has {lines} lines, 1 to {MAX_LINES} are wanted"
    try:
        tree = compile(cell.source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        yield f"it is no plain Python ({error.msg}): magics and ! are not used"
        return
    yield from (
        f"it holds a {_LOGIC[type(node)]}: put it into the package" for node in ast.walk(tree) if type(node) in _LOGIC
    )


def main(words: Sequence[str]) -> int:
    """Lint or mend the notebooks that are named, or those that come with k1nb; return the exit code."""
    mending = "--mend" in words
    files = [Path(word) for word in words if word != "--mend"] or list(shipped().values())
    for file in files if mending else ():
        mend(file)
    found = [text for file in files for text in lint(file)]
    sys.stderr.writelines(f"{text}\n" for text in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
