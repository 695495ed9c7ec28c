"""Commands that find, compare and export records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _complete, _output
from k1nb.cli._output import Json
from k1nb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k1nb.records import Problem

Notebook = Annotated[
    str, typer.Option("--notebook", help="Only runs of this notebook.", autocompletion=_complete.notebooks)
]
OfVerdict = Annotated[
    str, typer.Option("--verdict", help="OK, WARN, UNKNOWN, FAIL or INTERRUPTED.", autocompletion=_complete.verdicts)
]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help="2026-11-01, 2026-11-01T14:30, 7d, 24h, today, yesterday (UTC).")
]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Id of the run, or an unambiguous part of it.", autocompletion=_complete.records
    ),
]


def end(closed: Sequence[Problem]) -> None:
    """Say what of the archive could not be read; end with exit code 1 if anything."""
    for problem in closed:
        _output.note(f"not shown, or not whole: {problem.text}")
    if closed:
        sys.exit(1)


def group(app: typer.Typer) -> None:
    """Add the commands to the group of records."""
    app.command()(search)
    app.command()(diff)
    app.command()(export)
    app.command()(page)
    app.command()(reindex)


def search(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]", help='Words, or "words beside each other".')
    ] = None,
    notebook: Notebook = "",
    check: Annotated[
        str, typer.Option("--check", metavar="NAME[=STATUS]", help="Part of a check's name, and how it was answered.")
    ] = "",
    device: Annotated[
        str, typer.Option("--device", help="Device that the run was about.", autocompletion=_complete.devices)
    ] = "",
    artifact: Annotated[
        str,
        typer.Option("--artifact", help="Artifact, by the beginning of its id.", autocompletion=_complete.artifacts),
    ] = "",
    execution: Annotated[str, typer.Option("--execution", help="Execution, by the beginning of its id.")] = "",
    verdict: OfVerdict = "",
    since: Since = "",
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="As --since; a day is meant whole.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    json: Json = False,
) -> None:
    """Find sealed records by what is written in them and what they are about, newest first.

    Every word has to be there, wherever in the record: reason, checks, parameters, the notebook's cells and what they
    put out. brown* is a word's beginning, as what looks like an id always is; a word is found in its other English
    forms, too: ticking finds tick. Of a notebook the first million characters are looked through.
    """
    from k1nb import records

    settings = _output.settings(logs=False)
    wanted = records.Wanted(
        text=" ".join(f'"{word}"' if " " in word else word for word in text or ()),
        notebook=notebook,
        check=check,
        mentions={"device": device, "artifact": artifact, "execution": execution},
        verdict=verdict,
        since=records.moment(since) if since else None,
        until=records.moment(until, end=True) if until else None,
    )
    with _output.progress("indexing") as advance:
        found = records.looked_at(settings, records.search(settings, wanted, limit=limit, on_progress=advance))
    if json:
        _output.data([hit.as_dict() for hit in found.hits])
    else:
        from k1nb import show

        show.print_hits(_output.console(), found.hits)
    if found.more:
        _output.note(f"there are more than these {limit}: --limit")
    if found.cut:
        what = f"the first {records.MOST:,} characters of the notebooks of {found.cut} more records"
        _output.note(f"only {what} were looked through")
    end(records.unreadable(settings.paths))


def diff(
    run: Run,
    other: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="The run that came after it, named alike; without one, RUN is compared with the run before it.",
            autocompletion=_complete.records,
            show_default=False,
        ),
    ] = "",
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page, too.")] = None,
    json: Json = False,
) -> None:
    """Show how two records differ by meaning: checks, measured values, parameters, versions, timings.

    Exit code 1 where they differ in more than what was measured, how long it took, and which executions there were.
    """
    from k1nb import paths, records, show

    settings = _output.settings(logs=False)
    change = records.compare(settings, run, other)
    if html:
        paths.write_text(html, records.difference_page(settings, change))
    if json:
        _output.data(change.as_dict())
    else:
        show.print_difference(_output.console(), change)
    sys.exit(1 if change.found else 0)


def export(
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="Id of the run, or an unambiguous part of it.",
            autocompletion=_complete.records,
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default RUN.html here; - is stdout.")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", metavar="FILE", help="Write the head of the chain of seals and its signature instead."),
    ] = None,
) -> None:
    """Write a record as one HTML page that needs no network and no script: verdict, checks, the executed notebook.

    With --head the signed count of all that was sealed, to be kept on another machine: k1nb records verify --head.
    """
    from k1nb import paths, records

    if bool(run) == (head is not None):
        raise UsageError("one record is wanted, or --head FILE", hint="k1nb records list")
    settings = _output.settings(logs=False)
    if head is not None:
        kept = records.export_head(settings, head)
        _output.say(f"{head}: {kept.number} seals of chain {kept.chain}, the last of run {kept.run}")
        return
    record = records.Archive(settings.paths).get(run)
    page = records.record_page(settings, record)
    if str(output) == "-":
        typer.echo(page, nl=False)
        return
    file = output or Path(f"{record.id}.html")
    paths.write_text(file, page)
    _output.say(str(file))


def page() -> None:
    """Write the archive as pages for a browser: one of all newest runs, and one of each."""
    from k1nb import records

    settings = _output.settings(logs=False)
    with _output.progress("writing pages") as advance:
        file = records.write_pages(settings, advance)
    _output.say(str(file))
    end(records.unreadable(settings.paths))


def reindex() -> None:
    """Make the index that searches use anew from the records; they do so themselves where it is not right."""
    from k1nb import records

    settings = _output.settings(logs=False)
    with _output.progress("indexing") as advance:
        count = records.Index(settings).rebuild(advance)
    _output.note(f"{count} records are in the index")
    end(records.unreadable(settings.paths))
