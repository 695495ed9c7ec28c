"""Commands for the reports of pattern tests, and their baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1nb.cli import _complete, _consent, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.paths import Paths
    from k1nb.patterns import Report

ReportId = Annotated[
    str,
    typer.Argument(
        metavar="REPORT", help="Id of the report, or an unambiguous beginning of it.", autocompletion=_complete.reports
    ),
]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    app.command()(show)
    app.command()(promote)
    return app


def list_(json: Json = False) -> None:
    """List the reports of pattern tests, newest first, and the versions whose baseline they are."""
    from k1nb import patterns

    paths = _output.settings(logs=False).paths
    found = [_as_dict(paths, report) for report in patterns.list_reports(paths)]
    if json:
        _output.data(found)
        return
    from k1nb import show as faces

    faces.print_pattern_reports(_output.console(), found)


def show(
    report: ReportId,
    figure: Annotated[Path | None, typer.Option("--figure", metavar="FILE", help="Draw it into this SVG.")] = None,
    json: Json = False,
) -> None:
    """Show the report of a pattern test: whether it passed, its figures against limits and baseline."""
    from k1nb import patterns
    from k1nb import show as faces

    found = patterns.read_report(_output.settings(logs=False).paths, report)
    if figure is not None:
        from k1nb.paths import write_text

        write_text(figure, faces.pattern_report(found).svg())
    if json:
        _output.data(found.model_dump(mode="json"))
    else:
        faces.print_pattern_report(_output.console(), found)


def promote(
    report: ReportId,
    version: Annotated[str, typer.Argument(help="Version whose baseline it becomes, such as v1.0.0.")],
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Make a report that passed the baseline of a version; where that has another one, first only show the plan."""
    from k1nb import patterns

    paths = _output.settings().paths
    found = patterns.read_report(paths, report)
    plan = patterns.plan_promotion(paths, found, version)
    waits = plan.destructive and not apply
    if not json:
        from k1nb import show as faces

        faces.print_plan(_output.console(), plan)
    done = None if waits else patterns.promote(paths, found, version, consent=apply)
    if json:
        _output.data({"plan": plan.as_dict(), "baseline": done and done.model_dump(mode="json")})
    elif waits:
        _output.note(f"nothing was changed; {_consent.how_to_apply(plan)}")
    elif done is not None:
        _output.say(f"{found.id} is the baseline {version} of {found.pattern_name}")


def _as_dict(paths: Paths, report: Report) -> dict[str, Any]:
    from k1nb import patterns

    return {**report.summary(), "baseline_of": patterns.baselines_of(paths, report)}
