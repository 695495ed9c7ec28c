"""Commands for running notebooks and reading their records."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _complete, _output, _records_find, _records_seal
from k1nb.cli._output import Json, Parameters
from k1nb.cli._progress import run_line
from k1nb.cli._records_find import Notebook, OfVerdict, Since
from k1nb.errors import UsageError

if TYPE_CHECKING:
    from k1nb.config import Settings
    from k1nb.records import Record

RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Id of the run, or an unambiguous part of it.", autocompletion=_complete.records
    ),
]


def register(app: typer.Typer) -> None:
    """Add `run` to the root."""
    app.command()(run)


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    app.command()(show)
    app.command("import")(import_)
    _records_find.group(app)
    _records_seal.register(app)
    return app


def run(
    notebook: Annotated[
        str,
        typer.Argument(
            help="Name of a notebook, such as daily_health; none with --resume.",
            autocompletion=_complete.notebooks,
        ),
    ] = "",
    parameters: Parameters = None,
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    resume: Annotated[
        str,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on after this broken run, named by its id or an unambiguous part: its notebook, its parameters.",
            autocompletion=_complete.records,
        ),
    ] = "",
    limit: Annotated[
        float | None, typer.Option("--limit", metavar="SECONDS", help="Longest time for the run.  [default: 14400]")
    ] = None,
    cell_limit: Annotated[
        float | None, typer.Option("--cell-limit", metavar="SECONDS", help="Longest time for a cell.  [default: 3600]")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 0 for the verdict OK only.")] = False,
    as_: Annotated[
        str, typer.Option("--as", metavar="RUN", hidden=True, help="Id that whoever starts this finds the run by.")
    ] = "",
    json: Json = False,
) -> None:
    """Run a notebook and archive it; exit code 1 unless its verdict passes."""
    from k1nb import records

    if bool(notebook) == bool(resume):
        raise UsageError("one notebook is wanted, or one run to resume", hint="k1nb run daily_health")
    if resume and parameters:
        raise UsageError(
            "a resumed run has the parameters of the broken one", hint="leave out -p, or begin another run"
        )
    settings = _output.settings()
    logging.getLogger("papermill").addHandler(logging.NullHandler())  # our own error says what it would, in our words
    limits = {"limit": limit, "cell_limit": cell_limit}
    with records.raising(), run_line() as advance:  # from here on a signal ends with a word, and with the cursor shown
        if resume:
            record = records.resume_run(settings, resume, apply=apply, run=as_, on_progress=advance, **limits)
        else:
            given = _output.pairs(parameters, example="-p device=demo")
            record = records.run_notebook(
                settings, notebook, given, apply=apply, run=as_, on_progress=advance, **limits
            )
    record = replace(record, as_sealed=records.is_as_sealed(record, records.known_keys(settings.paths)))
    _print(record, json=json)
    sys.exit(0 if record.passes and record.verdict.passes(strict=strict) else 1)


def list_(
    notebook: Notebook = "",
    verdict: OfVerdict = "",
    since: Since = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List the records, newest first, running ones before them."""
    from k1nb import records

    settings = _output.settings(logs=False)
    wanted = records.Wanted(notebook=notebook, verdict=verdict, since=records.moment(since) if since else None)
    with _output.progress("indexing") as advance:
        found, more = records.listed(settings, wanted, limit=limit, on_progress=advance)
    closed = records.unreadable(settings.paths)
    if json:
        _output.data([record.as_dict() for record in found])
    else:
        from k1nb import show as faces

        narrowed = bool(notebook or verdict or since or closed)
        faces.print_records(_output.console(), found, narrowed=narrowed)
    if more:
        _output.note(f"there are more than these {limit}: --limit")
    _records_find.end(closed)


def show(
    run: RunId,
    notebook: Annotated[bool, typer.Option("--notebook", help="Print the executed notebook instead.")] = False,
    json: Json = False,
) -> None:
    """Show a record: verdict, what changed since the run before it, checks, files, and whether they fit together.

    Exit code 1 where they do not, or where they are not as they were sealed.
    """
    from k1nb import records

    settings = _output.settings(logs=False)
    record = records.Archive(settings.paths).get(run)
    found = records.doubts(settings, record)
    record = replace(record, as_sealed=None if record.staged else not found)
    if json:
        _output.data(record.as_dict())
    else:
        _show(settings, record, found, notebook=notebook)
    sys.exit(1 if found else 0)


def _show(settings: Settings, record: Record, doubts: list[str], *, notebook: bool) -> None:
    from k1nb import records
    from k1nb import show as faces

    if notebook:
        for doubt in doubts:
            _output.note(f"this record contradicts itself: {doubt}")
        faces.print_cells(_output.console(), records.cells_of(record), settings.redact)
        return
    earlier = records.before(settings, record)
    change = records.summary(records.difference(earlier, record)) if earlier else ""
    line = f"against {earlier.id}: {change}" if earlier else ""
    faces.print_record(_output.console(), record, doubts=doubts, change=line)


def import_(
    notebook: Annotated[Path, typer.Argument(help="A notebook that papermill or Jupyter has executed.")],
) -> None:
    """Add an executed notebook to its record."""
    from k1nb.records import import_notebook

    record = import_notebook(_output.settings(), notebook)
    _output.say(f"{record.verdict} {record.id} {record.folder}")
    if record.manifest.imported:
        _output.note(str(record.manifest.imported))


def _print(record: Record, *, json: bool) -> None:
    from k1nb import show as faces

    if json:
        _output.data(record.as_dict())
    else:
        faces.print_record(_output.console(), record)
