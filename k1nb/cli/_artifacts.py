"""Commands for stored firmware images."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from k1nb._plain import counted
from k1nb.cli import _complete, _consent, _output
from k1nb.cli._output import Json


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    for command in (show, verify, prune):
        app.command()(command)
    return app


def list_(json: Json = False) -> None:
    """List the stored artifacts, newest first."""
    from k1nb.firmware import ArtifactStore

    found = ArtifactStore(_output.settings(logs=False).paths).list()
    if json:
        _output.data([artifact.as_dict() for artifact in found])
        return
    from k1nb import show

    show.print_artifacts(_output.console(), found)


def show(
    artifact: Annotated[
        str, typer.Argument(metavar="ID", help="Id, or its first digits.", autocompletion=_complete.artifacts)
    ],
    json: Json = False,
) -> None:
    """Show an artifact with the facts of its build, which devices got it, and how far that is proven."""
    from k1nb.firmware import ArtifactStore, Ledger

    paths = _output.settings(logs=False).paths
    found = ArtifactStore(paths).get(artifact)
    deployments = Ledger(paths).of_artifact(found.id)
    if json:
        _output.data({"artifact": found.as_dict(), "deployments": [row.as_dict() for row in deployments]})
        return
    from k1nb import show as look
    from k1nb.device import Inventory

    names = {device.mac: device.name for device in Inventory(paths).list()} if deployments else {}
    look.print_artifact(_output.console(), found, deployments, names)


def prune(
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, max=10_000, help="How many of the newest stay; the setting's unless given."),
    ] = None,
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Remove the oldest artifacts; without --apply only show the plan.

    What a device runs or can go back to stays, and so does what a running execution works with.
    """
    from k1nb import delivery

    plan, removed = delivery.prune_artifacts(_output.settings(), keep=keep, consent=apply)
    if json:
        _output.data({"plan": plan.as_dict(), "removed": removed})
        return
    from k1nb import show as look

    look.print_plan(_output.console(), plan)
    if plan.steps:
        _output.note(
            f"{counted(len(removed), 'artifact')} removed"
            if removed
            else f"nothing was removed; {_consent.how_to_apply(plan)}"
        )


def verify() -> None:
    """Read every stored artifact and compare its sha256; exit code 1 if one is damaged."""
    from k1nb.firmware import ArtifactStore

    store = ArtifactStore(_output.settings().paths)
    damaged = list(store.damaged())
    for error in damaged:
        _output.say(error.message)
    _output.note(f"{counted(len(store.list()), 'artifact')}, {len(damaged)} damaged")
    sys.exit(1 if damaged else 0)
