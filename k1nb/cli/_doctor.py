"""The command that looks at this machine and this installation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from k1nb.cli import _output
from k1nb.cli._output import Json


def register(app: typer.Typer) -> None:
    """Add `doctor` to the root."""
    app.command()(doctor)


def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Exit 0 for the verdict OK only.")] = False,
    json: Json = False,
) -> None:
    """Look at programs, packages, folders, ports, clock, settings, server files and left-overs; changes nothing.

    Exit code 0 for the verdicts OK and WARN, 1 otherwise; what is not configured is listed and not counted.
    """
    from k1nb.checks import verdict
    from k1nb.stack.doctor import examine

    checks = examine()
    found = verdict(checks)
    if json:
        _output.data({"verdict": found.value, "checks": [check.as_dict() for check in checks]})
    else:
        from k1nb import show
        from k1nb.records import tally

        show.print_checks(_output.console(), checks)
        _output.note(f"{found}: {tally(checks)}")
    sys.exit(0 if found.passes(strict=strict) else 1)
