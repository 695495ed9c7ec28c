"""Commands for workflow and task definitions."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from k1nb.cli import _output
from k1nb.cli._output import Json


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command()(lint)
    app.command()(apply)
    return app


def lint(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with tasks and workflows; by default that of k1nb.")
    ] = None,
    json: Json = False,
) -> None:
    """Check definitions against Conductor's rules and the workers that serve them; exit code 1 on findings."""
    from k1nb import conductor, workers

    definitions = conductor.load(folder)
    findings = [*conductor.lint(definitions), *workers.lint(definitions)]
    if json:
        _output.data([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{finding.where}: {finding.code} {finding.text}\n  mend: {finding.mend}")
        _output.note(
            f"{len(definitions.workflows)} workflows, {len(definitions.tasks)} tasks, {len(findings)} findings"
        )
    sys.exit(1 if findings else 0)


def apply(json: Json = False) -> None:
    """Register the definitions on the server, only those that differ from it."""
    from k1nb import conductor

    settings = _output.settings()
    with conductor.Conductor.from_settings(settings) as server:
        definitions = conductor.load()
        plan = conductor.plan_definitions(definitions, server.task_definitions(), server.workflow_definitions())
        report = conductor.apply_definitions(server, definitions, plan)
    if json:
        _output.data([asdict(item) for item in report])
        return
    for item in report:
        typer.echo(f"{item.action} {item.subject}")
    _output.note(f"{len(report)} definitions applied" if report else "the server has these definitions already")
