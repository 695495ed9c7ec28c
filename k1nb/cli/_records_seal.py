"""Commands for the chain of seals: is all there as it was sealed, and what need not stay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from k1nb.cli import _complete, _consent, _output
from k1nb.cli._output import Json


def register(app: typer.Typer) -> None:
    """Add the commands to the records' group."""
    app.command()(verify)
    app.command()(prune)


def verify(
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="One record by itself, named by an unambiguous part of its id; every one unless given.",
            autocompletion=_complete.records,
        ),
    ] = "",
    head: Annotated[
        Path | None,
        typer.Option("--head", metavar="FILE", help="A head that was exported: is all there that it counts?"),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="Public key; only what such a one has signed counts then."),
    ] = None,
    json: Json = False,
) -> None:
    """Verify that records are what was sealed, and that none is missing; exit code 1 where one is not, or none is here.

    It cannot tell two things: who holds the secret key can sign anew, and the newest records can vanish together with
    the chain's head; against that export the head now and then, and give it here.
    """
    from k1nb import records
    from k1nb import show as faces

    settings = _output.settings(logs=False)
    keys = [records.read_key(file) for file in key or ()]
    if run:
        if head:
            raise typer.BadParameter("a head tells of the whole chain, not of one record", param_hint="--head")
        found = records.verify_record(settings.paths, records.Archive(settings.paths).get(run).id, keys=keys)
    else:
        known = {each.id: each for each in keys} or records.known_keys(settings.paths)
        exported = records.read_head(head, known) if head else None
        with _output.progress("records") as advance:
            found = records.verify(settings.paths, head=exported, keys=keys, on_progress=advance)
    if json:
        _output.data(found.as_dict())
    else:
        faces.print_verification(_output.console(), found)
    if not found.records and not found.problems:
        wait = "what is not sealed yet is when it is over or moved in"
        home = f"is K1NB_HOME right? It is {settings.home}; k1nb run daily_health makes a first record"
        _output.note(f"hint: {wait if found.unsealed else home}")
    sys.exit(0 if found.passes else 1)


def prune(
    notebook: Annotated[
        str,
        typer.Option(
            "--notebook", metavar="NAME", help="Records of this notebook only.", autocompletion=_complete.notebooks
        ),
    ] = "",
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Remove the files of old records; without --apply only show the plan. Manifests and seals stay.

    How many and how long is set by records_keep, records_keep_days and records_keep_failed_days; what did not pass
    stays longest, and the newest record of each notebook always.
    """
    from k1nb import records
    from k1nb import show as faces

    with _output.progress("records") as advance:
        done = records.prune_records(_output.settings(), notebook=notebook, consent=apply, on_progress=advance)
    if json:
        _output.data(done.as_dict())
        return
    faces.print_plan(_output.console(), done.plan)
    if done.plan.steps:
        told = f"the files of {len(done.pruned)} records are removed"
        _output.note(told if done.pruned else f"nothing was removed; {_consent.how_to_apply(done.plan)}")
