"""Notebooks as files: where they are, what they hold, how they are written."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k1nb.errors import RecordError, StorageError, UnknownName, VerdictNotPassed
from k1nb.paths import share
from k1nb.records._nbformat import nbformat

SUFFIX = ".ipynb"
PARAMETERS = "parameters"
"""Tag of the cell that declares the parameters."""
INJECTED = "injected-parameters"
"""Tag of the cell into which papermill writes the values it was given."""
NOTE = "k1nb-note"
"""Tag of the cell that our engine adds to the notebook of a run that broke."""


def shipped() -> dict[str, Path]:
    """Return the notebooks that come with k1nb, by name."""
    return {file.stem: file for file in sorted(share("notebooks").glob(f"*{SUFFIX}"))}


def find_notebook(notebook: str) -> Path:
    """Return the file of a shipped notebook, or of one of the operator's own where a path is given.

    Raises UnknownName that lists the shipped ones.
    """
    known = shipped()
    name = notebook.removesuffix(SUFFIX)
    if name in known:
        return known[name]
    own = Path(notebook).expanduser()
    if own.suffix == SUFFIX and own.is_file():
        return own.absolute()
    raise UnknownName(
        f"there is no notebook {notebook!r}", hint=f"known are {', '.join(known)}; or give the path of a file"
    )


def read_notebook(file: Path) -> Any:
    """Return the notebook in `file` as a NotebookNode of format 4.

    Raises StorageError where the file cannot be read and RecordError where it is no notebook.
    """
    text = _text(file)
    try:
        with warnings.catch_warnings(action="ignore"):  # nbformat warns of cell ids that it has mended
            notebook = nbformat().reads(text, as_version=4)
            nbformat().validate(notebook)
    except Exception:  # noqa: BLE001 - nbformat lets KeyError, AttributeError and its own errors out for bad JSON
        raise _no_notebook(file) from None
    return notebook


def read_template(file: Path) -> Any:
    """Return the cells of a notebook that is to be run, read without nbformat: its import takes a second and more.

    Raises StorageError where the file cannot be read and RecordError where it is no notebook.
    """
    text = _text(file)
    try:
        notebook = json.loads(text)
        if not isinstance(notebook["metadata"], dict) or not isinstance(notebook["nbformat"], int):
            raise _no_notebook(file)  # what papermill would break on
        cells = [{"metadata": dict(c["metadata"]), "source": "".join(c["source"])} for c in notebook["cells"]]
        return {"metadata": notebook["metadata"], "cells": cells}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _no_notebook(file) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror or error}", hint="give the notebook's path") from None
    except UnicodeDecodeError:
        raise _no_notebook(file) from None


def _no_notebook(file: Path) -> RecordError:
    return RecordError(f"{file} is no Jupyter notebook", hint="give a file that Jupyter or papermill has written")


def canonical(notebook: Any) -> str:
    """Return a notebook's text in the one form that is kept: sorted keys, indent 1, newline at the end."""
    text = nbformat().writes(notebook)
    return json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def tagged(notebook: Any, tag: str) -> str | None:
    """Return the source of the first cell with this tag, or None."""
    for cell in notebook["cells"]:
        if tag in cell["metadata"].get("tags", ()):
            return "".join(cell["source"])
    return None


def outputs(notebook: Any) -> Iterator[Any]:
    """Yield every output of every code cell."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield from cell.get("outputs", ())


def unexpected_error(executed: Any, *, passed: bool) -> Any:
    """Return the first error in a notebook's outputs that its verdict does not explain, or None."""
    errors = (output for output in outputs(executed) if output.output_type == "error")
    return next((error for error in errors if passed or error.ename != VerdictNotPassed.__name__), None)


def words(name: str, text: str) -> str:
    """Say an error in one line: its name, the first line of its text, and its hint where it is one of ours."""
    first, _, rest = text.strip().partition("\n")
    return f"{name}: {f'{first} ({rest})' if rest.startswith('hint: ') else first}".removesuffix(": ")


def source_sum(path: str | Path | None) -> str:
    """Return the SHA-256 of a notebook's file; empty where it is none that can be read here."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except (OSError, ValueError):
        return ""


def heading_above(notebook: Any, place: int) -> str:
    """Return the heading under which the cell at a place stands, counted from 0; empty where there is none."""
    for cell in reversed(notebook["cells"][: place + 1]):
        if cell["cell_type"] == "markdown" and (found := heading_of("".join(cell["source"]))):
            return found
    return ""


def heading_of(text: str) -> str:
    """Return the first heading of a markdown text; empty where it has none."""
    return next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")
