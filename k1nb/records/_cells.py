"""The cells of an executed notebook, read to be shown: tolerant of what a broken run left, and without nbformat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k1nb.errors import RecordError, StorageError
from k1nb.records._record import NOTEBOOK, Record
from k1nb.records._staging import KERNEL_LOG, PARTIAL

PLAIN = "text/plain"


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a cell."""

    kind: str
    """`stream`, `error`, or `data` for what was displayed or returned."""
    text: str
    """The output as text, with the control sequences of a terminal where it has any."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What was displayed, by media type; texts are whole."""
    name: str = ""
    """Name of the stream or of the error."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it was executed."""

    number: int
    """Counted from 1, over cells of every kind."""
    kind: str
    source: str
    outputs: tuple[Output, ...] = ()
    tags: tuple[str, ...] = ()


def cells_of(record: Record) -> list[Cell]:
    """Return the cells of a record's executed notebook, or of what is saved of one that runs; none without one.

    Raises RecordError where the file is missing or no notebook, StorageError where it cannot be read.
    """
    file = record.folder / NOTEBOOK
    return read_cells(file) if record.executed or _may_be_there(file) else []


def _may_be_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # whoever reads it is told why that fails
        return True


def read_cells(file: Path) -> list[Cell]:
    """Return the cells of a notebook's file; raises RecordError or StorageError."""
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        return [_cell(number, cell) for number, cell in enumerate(cells, 1)]
    except FileNotFoundError:
        raise RecordError(f"{file} is gone", hint="restore it from a backup") from None
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror or error}", hint="mend its permissions") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RecordError(f"{file} is damaged: it is no notebook any more", hint="restore it from a backup") from None


def left_texts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield name and text of what else was left: what the kernel wrote outside its cells, and half a notebook."""
    for name in (PARTIAL, KERNEL_LOG):
        try:
            text = (record.folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:  # it is not there; what is and cannot be read, `doubts` tells
            continue
        yield name, text


def _cell(number: int, cell: Mapping[str, Any]) -> Cell:
    tags = cell.get("metadata", {}).get("tags", ())
    outputs = cell.get("outputs") or ()
    return Cell(
        number,
        str(cell["cell_type"]),
        _whole(cell.get("source", "")),
        tuple(map(_output, outputs)),
        tuple(map(str, tags)),
    )


def _output(output: Mapping[str, Any]) -> Output:
    kind = output["output_type"]
    if kind == "stream":
        return Output("stream", _whole(output.get("text", "")), name=str(output.get("name", "stdout")))
    if kind == "error":
        name = str(output.get("ename", ""))
        said = f"{name}: {output.get('evalue', '')}"
        return Output("error", "\n".join(map(str, output.get("traceback") or ())) or said, name=name)
    data = {str(kind): _whole(value) for kind, value in (output.get("data") or {}).items()}
    text = data.get(PLAIN, "")
    return Output("data", text if isinstance(text, str) else str(text), data)


def _whole(value: Any) -> Any:
    """Return a text that a notebook keeps as lines as one; JSON as it is."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value
