"""papermill's keeper of a notebook, which saves copies with every secret masked, and tells how far the run is."""

from __future__ import annotations

import errno
from typing import Any

from papermill.engines import NotebookExecutionManager

from k1nb.errors import RunBroken
from k1nb.records._nbformat import nbformat
from k1nb.records._notebook import heading_above
from k1nb.records._progress import Moment, Progress
from k1nb.records._record import NOTEBOOK, Record, read_manifest
from k1nb.records._redaction import redacted_notebook
from k1nb.records._staging import RESERVE
from k1nb.records._tidy import remove
from k1nb.secrets import Redactor

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOGETHER = 524_288
"""Characters of outputs before a cell that are masked together with it."""


class Manager(NotebookExecutionManager):  # type: ignore[misc] # papermill has no annotations
    """Saves the notebook into its run's staging folder after each cell, and to papermill's output where there is one.

    Only the cell that is at work is masked anew each time, with what was put out just before it, for a secret may go on
    from cell to cell. A disk that is full ends the run: RunBroken.
    """

    def __init__(
        self,
        notebook: Any,
        record: Record,
        redact: Redactor,
        *,
        on_progress: Progress | None = None,
        **options: Any,
    ) -> None:
        super().__init__(notebook, **options)
        self._folder = record.folder
        self._redact = redact
        self._on_progress = on_progress
        self._masked: dict[int, Any] = {}
        self._before: list[Any] = []
        """The cells before the one at work, masked as they were when it began."""
        self._sizes: list[int] = []
        """Characters that these put out."""
        self._at = -1
        self._ended = False
        """Nothing is saved any more: the disk is full, or the notebook waits to be told its verdict."""

    def save(self, **_: Any) -> None:
        """Save the notebook as it stands."""
        self.last_save_time = self.now()
        if self._ended:
            return
        text = _text(self.masked(whole=False))
        try:
            self._write(text)
        except OSError as error:
            self._ended = True
            cannot = f"cannot write {error.filename or self._folder}: {error.strerror}"
            if error.errno not in _FULL:
                raise RunBroken(
                    f"its notebook could not be saved: {cannot}", hint="see what a cell does there"
                ) from error
            remove(self._folder / RESERVE)
            raise RunBroken(f"the disk is full: {cannot}", hint="free space, then k1nb run --resume") from error

    def _write(self, text: str) -> None:
        # Not synced: it must outlive this process, and the machine's end is a matter for the sealed record.
        fresh = self._folder / f".{NOTEBOOK}.tmp"
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o600)
            fresh.replace(self._folder / NOTEBOOK)
        finally:
            fresh.unlink(missing_ok=True)
        if self.output_path:
            self._write_output(text)

    def _write_output(self, text: str) -> None:
        from papermill.iorw import papermill_io

        papermill_io.write(text, self.output_path)

    def masked(self, *, whole: bool = True) -> Any:
        """Return a copy of the notebook with every secret masked."""
        if whole:  # also what is split between two cells
            return redacted_notebook(self.nb, self._redact)
        first, at = self._window(), max(self._at, 0)
        masked = redacted_notebook({"cells": [*self._before[first:], *self.nb.cells[at : at + 1]]}, self._redact)
        self._masked |= dict(enumerate(masked.cells, first))
        for place, cell in enumerate(self.nb.cells):
            if place not in self._masked:
                self._masked[place] = redacted_notebook({"cells": [cell]}, self._redact).cells[0]
        copy = redacted_notebook({**self.nb, "cells": []}, self._redact)
        copy.cells = [self._masked[place] for place in range(len(self.nb.cells))]
        return copy

    def _window(self) -> int:
        """Return the first cell that is masked anew with the one at work: more than one where they put out little."""
        room = _TOGETHER
        for place in range(len(self._before) - 1, -1, -1):
            room -= self._sizes[place]
            if room < 0 and place < len(self._before) - 1:
                return place + 1
        return 0

    def cell_start(self, cell: Any, cell_index: int = 0, **options: Any) -> None:
        """Note that a cell begins."""
        for place in range(len(self._sizes), cell_index):
            self._sizes.append(len(str(self._masked[place].get("outputs", ""))))
        self._before = [self._masked[place] for place in range(cell_index)]
        self._at = cell_index
        super().cell_start(cell, cell_index, **options)
        self._tell(done=False)

    def cell_complete(self, cell: Any, cell_index: int = 0, **options: Any) -> None:
        """Note that a cell has ended, however it did."""
        super().cell_complete(cell, cell_index, **options)
        self._tell(done=True)

    def _tell(self, *, done: bool) -> None:
        if self._on_progress is not None:
            checks = read_manifest(self._folder).checks
            heading, cells = heading_above(self.nb, self._at), len(self.nb.cells)
            self._on_progress(Moment(self._at + 1, cells, done, heading, checks[-1] if checks else None))

    def notebook_complete(self, **options: Any) -> None:
        """Note that the run is over; `publish` saves that, once its verdict is known."""
        self._ended = True
        super().notebook_complete(**options)

    def publish(self) -> None:
        """Write papermill's output, masked; what keeps it from being written is no more than that."""
        if self.output_path:
            try:
                self._write_output(_text(self.masked()))
            except OSError as error:
                from papermill.log import logger

                logger.warning(f"cannot write {self.output_path}: {error}")


def _text(notebook: Any) -> str:
    return str(nbformat().writes(notebook))
