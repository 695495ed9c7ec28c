"""Commands for stored firmware images."""

from __future__ import annotations

import sys

import typer

from k1nb.cli import _output
from k1nb.cli._output import Json


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    app.command()(verify)
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


def verify() -> None:
    """Read every stored artifact and compare its sha256; exit code 1 if one is damaged."""
    from k1nb.firmware import ArtifactStore

    store = ArtifactStore(_output.settings().paths)
    damaged = list(store.damaged())
    for error in damaged:
        typer.echo(error.message)
    _output.note(f"{len(store.list())} artifacts, {len(damaged)} damaged")
    sys.exit(1 if damaged else 0)
