"""Commands for workflow and task definitions."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1nb._plain import counted
from k1nb.cli import _consent, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.conductor import Applied, DefinitionFacts
    from k1nb.config import Settings

Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder with tasks and workflows; by default that of k1nb.", show_default=False),
]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command()(lint)
    app.command()(diff)
    app.command()(apply)
    app.command()(export)
    return app


def lint(
    folder: Folder = None,
    codes: Annotated[bool, typer.Option("--codes", help="List every rule and its code instead.")] = False,
    json: Json = False,
) -> None:
    """Hold definitions against every rule, without a server.

    The rules are Conductor's, this workbook's, and those of the workers that serve the tasks. Definitions of another
    folder may refer to the shipped ones. Exit code 1 on findings.
    """
    if codes:
        _list_codes(json=json)
        return
    from k1nb import workers

    definitions, findings = workers.lint_folder(folder)
    if json:
        _output.data([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _output.say(f"{finding.where}: {finding.code} {finding.text}\n  mend: {finding.mend}")
        workflows, tasks = counted(len(definitions.workflows), "workflow"), counted(len(definitions.tasks), "task")
        _output.note(f"{workflows}, {tasks}, {counted(len(findings), 'finding')}")
    sys.exit(1 if findings else 0)


def _list_codes(*, json: bool) -> None:
    from k1nb.conductor import RULES

    if json:
        _output.data([rule.as_dict() for rule in RULES.values()])
        return
    from k1nb import show

    show.print_rules(_output.console(), RULES.values())


def diff(folder: Folder = None, json: Json = False) -> None:
    """Show where server and files differ, value by value.

    Exit code 1 where they do. What only the server has is shown too, and is no difference: other people's definitions
    are theirs.
    """
    from k1nb import show

    facts = _observe(_output.settings(), folder)
    if json:
        _output.data(facts.as_dict())
    else:
        show.print_differences(_output.console(), facts)
    sys.exit(1 if facts.plan.steps else 0)


def apply(
    folder: Folder = None,
    consent: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    over_running: Annotated[
        bool, typer.Option("--over-running", help="Also change what running executions would see change.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the server to the definitions of the files.

    What it lacks is registered; what it has otherwise is overwritten with the plan's id only. Exit code 0 for a plan,
    for nothing to do and where all was applied; 1 where lint or the server refused some.
    """
    from k1nb import conductor, show

    settings = _output.settings()
    facts = _observe(settings, folder)
    if not json:
        show.print_plan(_output.console(), facts.plan)
    report: list[Applied] = []
    if facts.plan.steps and (consent or not facts.plan.destructive):
        report = conductor.change_definitions(settings, facts, consent=consent, over_running=over_running)
    if json:
        _output.data({"plan": facts.plan.as_dict(), "report": [item.as_dict() for item in report]})
    elif report:
        _show_report(report)
    elif facts.plan.steps:
        over = (
            "\nrunning executions would see that change: add --over-running or, better, new versions"
            if facts.in_use
            else ""
        )
        _output.note(f"nothing was changed; {_consent.how_to_apply(facts.plan)}{over}")
    sys.exit(1 if any(item.status == "failed" for item in report) else 0)


def _observe(settings: Settings, folder: Path | None) -> DefinitionFacts:
    from k1nb import conductor, workers

    definitions, findings = workers.lint_folder(folder)
    return conductor.observe_definitions(settings, definitions, findings)


def _show_report(report: list[Applied]) -> None:
    counts: dict[str, int] = {}
    for item in report:
        counts[item.status] = counts.get(item.status, 0) + 1
        if item.status != "unchanged":
            _output.say(f"{item.status} {item.subject}{f': {item.words}' if item.words else ''}")
    _output.note(", ".join(f"{count} {status}" for status, count in counts.items()))


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write tasks and workflows into.")],
    names: Annotated[list[str] | None, typer.Argument(help="Definitions by name; all if none is given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that say something else.")] = False,
    json: Json = False,
) -> None:
    """Write the server's definitions as files.

    They are in the form in which k1nb keeps its own: what was applied from files comes back byte for byte.
    """
    from k1nb import conductor

    settings = _output.settings()
    with conductor.Conductor.from_settings(settings) as server:
        files = conductor.export_definitions(server, folder, names or (), overwrite=overwrite)
    if json:
        _output.data([_exported(item.file, written=item.written) for item in files])
        return
    for item in files:
        if item.written:
            _output.say(str(item.file))
    written = sum(item.written for item in files)
    _output.note(f"{written} files written, {len(files) - written} were so already")


def _exported(file: Path, *, written: bool) -> dict[str, Any]:
    return {"file": str(file), "status": "written" if written else "unchanged"}
