"""Records: every run of a notebook leaves its checks, its verdict and the executed notebook."""

from typing import TYPE_CHECKING, Any

from k1nb.records._archive import Archive, lost_runs, run_ids, unreadable
from k1nb.records._archive_page import show_records, write_archive_page, write_pages
from k1nb.records._cells import Cell, Output, cells_of, left_texts
from k1nb.records._desk import Desk, lay_out
from k1nb.records._diff import CheckChange, Difference, before, compare, difference, number, percent, said, summary
from k1nb.records._diff_page import difference_page
from k1nb.records._doubts import doubts
from k1nb.records._facts import (
    children_of,
    devices_meant,
    executions_since,
    not_configured,
    readings_of,
    server_version,
)
from k1nb.records._head import export_head, read_head
from k1nb.records._importing import import_notebook
from k1nb.records._index import HOW_TO_CHECK, MOST, NO_CHECKS, Index, why, why_not
from k1nb.records._notebook import find_notebook, shipped
from k1nb.records._outcome import Place, find_run, place_of, tell_to_end
from k1nb.records._page import record_page
from k1nb.records._parameters import Parameter
from k1nb.records._processes import processes_of
from k1nb.records._progress import Moment, Progress
from k1nb.records._record import Manifest, Record, new_id
from k1nb.records._resume import began_at, way_on
from k1nb.records._retention import Limits, RecordsPruned, prunable, prune_records
from k1nb.records._run import MIME, Run, connect, parameter_names
from k1nb.records._runner import resume_run, run_notebook
from k1nb.records._search import BEGIN, END, Found, Hit, Wanted, listed, looked_at, search
from k1nb.records._signals import raising
from k1nb.records._table import badge, checks_html, checks_text, table_html, tally, worst_first
from k1nb.records._verification import Problem, Verification
from k1nb.records._verify import (
    is_as_sealed,
    known_keys,
    read_key,
    verify,
    verify_record,
)
from k1nb.records._when import NOT_KNOWN, duration, moment

if TYPE_CHECKING:
    from k1nb.records._engine import Engine

__all__ = [
    "BEGIN",
    "END",
    "HOW_TO_CHECK",
    "MIME",
    "MOST",
    "NOT_KNOWN",
    "NO_CHECKS",
    "Archive",
    "Cell",
    "CheckChange",
    "Desk",
    "Difference",
    "Engine",
    "Found",
    "Hit",
    "Index",
    "Limits",
    "Manifest",
    "Moment",
    "Output",
    "Parameter",
    "Place",
    "Problem",
    "Progress",
    "Record",
    "RecordsPruned",
    "Run",
    "Verification",
    "Wanted",
    "badge",
    "before",
    "began_at",
    "cells_of",
    "checks_html",
    "checks_text",
    "children_of",
    "compare",
    "connect",
    "devices_meant",
    "difference",
    "difference_page",
    "doubts",
    "duration",
    "executions_since",
    "export_head",
    "find_notebook",
    "find_run",
    "import_notebook",
    "is_as_sealed",
    "known_keys",
    "lay_out",
    "left_texts",
    "listed",
    "looked_at",
    "lost_runs",
    "moment",
    "new_id",
    "not_configured",
    "number",
    "parameter_names",
    "percent",
    "place_of",
    "processes_of",
    "prunable",
    "prune_records",
    "raising",
    "read_head",
    "read_key",
    "readings_of",
    "record_page",
    "resume_run",
    "run_ids",
    "run_notebook",
    "said",
    "search",
    "server_version",
    "shipped",
    "show_records",
    "summary",
    "table_html",
    "tally",
    "tell_to_end",
    "unreadable",
    "verify",
    "verify_record",
    "way_on",
    "why",
    "why_not",
    "worst_first",
    "write_archive_page",
    "write_pages",
]


def __getattr__(name: str) -> Any:
    """Load the engine when it is asked for: papermill takes its time to import."""
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import papermill.engines  # noqa: F401 - first, for it loads this engine as an entry point while it is imported

    from k1nb.records._engine import Engine

    return Engine
