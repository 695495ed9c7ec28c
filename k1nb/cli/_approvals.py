"""Commands for executions that wait for a person's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _consent, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.delivery.approvals import Answered

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the execution that waits, or of one that it is part of.")]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    app.command()(approve)
    app.command()(reject)
    return app


def list_(json: Json = False) -> None:
    """List the executions that wait for approval, what they ask, and until when; the oldest first."""
    from k1nb.conductor import Conductor
    from k1nb.delivery import approvals

    settings = _output.settings()
    with Conductor.from_settings(settings) as server:
        found = approvals.waiting(settings, server)
    if json:
        _output.data(found)
        return
    from k1nb import show

    show.print_approvals(_output.console(), found)


def approve(
    execution: Id,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with your name.")] = "",
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Let an execution go on to production; without --apply only show what it asks for."""
    from k1nb.conductor import Conductor
    from k1nb.delivery import approvals

    settings = _output.settings()
    _output.refuse_secrets(settings, {"--reason": reason})
    with Conductor.from_settings(settings) as server:
        gate = approvals.find_gate(server, execution)
        if not json:
            from k1nb import show

            show.print_plan(_output.console(), approvals.plan_approval(gate))
        done = approvals.approve(settings, server, gate, consent=apply, why=reason)
    if json:
        _output.data(done.as_dict())
    elif not done.output:
        _output.note(f"nothing was answered; {_consent.how_to_apply(done.plan)}")
    else:
        _tell(done, "approved")


def reject(
    execution: Id,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with your name.")],
    json: Json = False,
) -> None:
    """Answer an execution that waits for approval with no: it ends, and production stays as it is."""
    from k1nb.conductor import Conductor
    from k1nb.delivery import approvals

    settings = _output.settings()
    _output.refuse_secrets(settings, {"--reason": reason})
    with Conductor.from_settings(settings) as server:
        done = approvals.reject(server, approvals.find_gate(server, execution), why=reason)
    if json:
        _output.data(done.as_dict())
    else:
        _tell(done, "rejected")


def _tell(done: Answered, what: str) -> None:
    _output.say(f"{done.gate.execution.name} {done.gate.execution.id}: {what} by {done.output['by']}")
    _output.note(f"follow it with `k1nb executions follow {done.gate.execution.id}`")
