"""Sealed records without a kernel, and notebooks of every kind of output."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import nbformat

from k1nb.checks import Check, Status, verdict
from k1nb.config import Settings
from k1nb.records import Record
from k1nb.records._record import new_id
from k1nb.records._staging import Staging

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def heap(status: Status = Status.OK, free: float = 151_552) -> Check:
    """Return what a device's heap is."""
    hint = None if status is Status.OK else "look at `its` serial output"
    evidence = f"{free:,.0f} B free, at least 50,000 wanted"
    values = {"free_heap_bytes": free}
    return Check("device bench: free heap", status, evidence, hint, "http://192.0.2.1/", NOW, values)


def notebook(*outputs: Any, source: str = "print('hello')", text: str = "# Title") -> Any:
    """Return a notebook with one cell of these outputs."""
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), cell])


def shown(**data: str) -> Any:
    """Return an output of these media types, by their short names."""
    kinds = {
        "html": "text/html",
        "plain": "text/plain",
        "svg": "image/svg+xml",
        "png": "image/png",
        "js": "application/javascript",
    }
    return nbformat.v4.new_output("display_data", data={kinds[kind]: text for kind, text in data.items()})


def sealed(
    settings: Settings, *checks: Check, name: str = "daily_health", days: float = 0, executed: Any = None, **facts: Any
) -> Record:
    """Seal a run that began so many days before NOW; without checks it is INTERRUPTED."""
    staging, began = Staging(settings), NOW - timedelta(days=days)
    record = staging.begin(name, run=new_id(name, now=began))
    ended: dict[str, Any] = {"verdict": verdict(checks), "ended_at": began + timedelta(seconds=5)} if checks else {}
    staging.update(record, started_at=began, checks=checks, **{**ended, **facts})
    return staging.settle(record, executed=executed, reason="" if checks else "cell 2: DeadKernelError")


def ids(found: Sequence[Any]) -> list[str]:
    """Return the runs of hits."""
    return [hit.run for hit in found]
