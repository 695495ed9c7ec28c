"""Records: every run of a notebook leaves its checks, its verdict and the executed notebook."""

from typing import TYPE_CHECKING, Any

from k1nb.records._archive import Archive, lost_runs, run_ids
from k1nb.records._desk import Desk, lay_out
from k1nb.records._facts import (
    children_of,
    devices_meant,
    executions_since,
    not_configured,
    readings_of,
    server_version,
)
from k1nb.records._importing import import_notebook
from k1nb.records._notebook import find_notebook, shipped
from k1nb.records._outcome import Head, find_run, head_of
from k1nb.records._parameters import Parameter
from k1nb.records._processes import processes_of
from k1nb.records._progress import Moment, Progress
from k1nb.records._record import Manifest, Record, new_id
from k1nb.records._retention import Limits, RecordsPruned, prunable, prune_records
from k1nb.records._run import MIME, Run, connect
from k1nb.records._runner import resume_run, run_notebook
from k1nb.records._table import badge, checks_html, checks_text, table_html, tally, worst_first
from k1nb.records._verify import (
    Verification,
    export_head,
    known_keys,
    read_head,
    read_key,
    verify,
    verify_record,
)

if TYPE_CHECKING:
    from k1nb.records._engine import Engine

__all__ = [
    "MIME",
    "Archive",
    "Desk",
    "Engine",
    "Head",
    "Limits",
    "Manifest",
    "Moment",
    "Parameter",
    "Progress",
    "Record",
    "RecordsPruned",
    "Run",
    "Verification",
    "badge",
    "checks_html",
    "checks_text",
    "children_of",
    "connect",
    "devices_meant",
    "executions_since",
    "export_head",
    "find_notebook",
    "find_run",
    "head_of",
    "import_notebook",
    "known_keys",
    "lay_out",
    "lost_runs",
    "new_id",
    "not_configured",
    "processes_of",
    "prunable",
    "prune_records",
    "read_head",
    "read_key",
    "readings_of",
    "resume_run",
    "run_ids",
    "run_notebook",
    "server_version",
    "shipped",
    "table_html",
    "tally",
    "verify",
    "verify_record",
    "worst_first",
]


def __getattr__(name: str) -> Any:
    """Load the engine when it is asked for: papermill takes its time to import."""
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import papermill.engines  # noqa: F401 - first, for it loads this engine as an entry point while it is imported

    from k1nb.records._engine import Engine

    return Engine
