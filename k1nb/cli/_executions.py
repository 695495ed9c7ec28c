"""Commands for workflow executions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _interventions, _outcome, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.conductor import Change, Execution, Repair


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command()(start)
    app.command()(show)
    app.command("list")(list_)
    app.command()(follow)
    _interventions.register(app)
    app.command()(repair)
    return app


def start(
    workflow: Annotated[str, typer.Argument(help="Name of the workflow.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=VALUE", help="Input as text; true, false and null are JSON's."),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Natural key of the intent, the correlationId.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Task domain whose workers get its tasks.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for the end; exit code 1 unless it completed.")
    ] = False,
    json: Json = False,
) -> None:
    """Start an execution and print its id."""
    from k1nb import conductor

    settings = _output.settings()
    words = _output.inputs(inputs)
    texts = {"WORKFLOW": workflow, "--key": key, "--domain": domain, "-i": " ".join(inputs or ())}
    _output.refuse_secrets(settings, texts)
    with conductor.Conductor.from_settings(settings) as server:
        execution_id = server.start(workflow, words, correlation_id=key, domain=domain)
        if not follow:
            if json:
                _output.data({"id": execution_id})
            else:
                _output.say(execution_id)
            return
        execution = server.wait(
            execution_id, timings=settings.timings, on_change=lambda now: _output.note(_progress(now))
        )
        children = server.children(execution)
    _print(execution, children, json=json)
    sys.exit(0 if execution.status is conductor.ExecutionStatus.COMPLETED else 1)


def show(
    execution: Annotated[str, typer.Argument(help="Id of the execution.")],
    json: Json = False,
) -> None:
    """Show an execution with its tasks and, of those it started, theirs."""
    from k1nb import conductor

    with conductor.Conductor.from_settings(_output.settings()) as server:
        found = server.execution(execution)
        children = server.children(found)
    _print(found, children, json=json)


def list_(
    workflow: Annotated[str | None, typer.Argument(help="Name of the workflow; all of them if none is given.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=876_000, help="How many hours back.")] = 24,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed or timed out.")] = False,
    running: Annotated[bool, typer.Option("--running", help="Only those that have not ended.")] = False,
    text: Annotated[str, typer.Option("--text", help="Only those with this word in their input or output.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List executions, newest first."""
    from datetime import UTC, datetime, timedelta

    from k1nb.conductor import Conductor, ExecutionStatus

    ended_badly = {ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT}
    wanted = [s for s in ExecutionStatus if (s in ended_badly or not failed) and not (running and s.terminal)]
    since = datetime.now(UTC) - timedelta(hours=hours)
    settings = _output.settings()
    _output.refuse_secrets(settings, {"WORKFLOW": workflow, "--text": text})
    with Conductor.from_settings(settings) as server:
        found = server.find(status=wanted, name=workflow, since=since, text=text, size=limit)
    if json:
        _output.data([execution.as_dict() for execution in found])
        return
    from k1nb import show as faces

    faces.print_executions(_output.console(), found)
    if len(found) == limit:
        _output.note(f"there may be more than these {limit}: --limit")


def follow(
    execution: Annotated[str, typer.Argument(help="Id of the execution.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print a line for each change of a task, sub-workflows included, until the end; exit code 0 if it completed."""
    from k1nb import conductor

    settings = _output.settings()
    with conductor.Conductor.from_settings(settings) as server:
        for change in conductor.watch(server, execution, timings=settings.timings, on_silence=_outcome.silence):
            if json:
                _output.line(change.as_dict())
            else:
                _print_change(change)
    sys.exit(0 if change.execution.status is conductor.ExecutionStatus.COMPLETED else 1)


def _print_change(change: Change) -> None:
    from k1nb import show as faces

    faces.print_change(_output.console(), change)


def repair(
    executions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Ids of executions; all that are running if none is given."),
    ] = None,
    json: Json = False,
) -> None:
    """Continue executions that the server has forgotten; exit code 1 if one of them stays as it was."""
    from k1nb import conductor

    settings = _output.settings()
    cut: list[int] = []
    with conductor.Conductor.from_settings(settings) as server:
        repairs = conductor.repair(server, settings.timings, executions or (), on_cut=cut.append)
    for oldest in cut:
        _output.note(f"only the oldest {oldest} running executions were looked at; give the ids of others")
    if json:
        _output.data([one.as_dict() for one in repairs])
    elif not repairs:
        _output.note("none of these is forgotten" if cut else "no execution is forgotten")
    else:
        for one in repairs:
            _output.say(f"{one.execution.name} {one.execution.id}: {_done(one)}")
    sys.exit(0 if all(one.continued for one in repairs if one.forgotten) else 1)


def _done(repair: Repair) -> str:
    if not repair.forgotten:
        return f"left alone, {repair.found}"
    return f"{repair.found}, {'continued' if repair.continued else 'the server does not go on with it'}"


def _progress(execution: Execution) -> str:
    done = sum(1 for task in execution.tasks if task.status.terminal)
    at = next((t.reference for t in reversed(execution.tasks) if not t.status.terminal), "")
    return f"{execution.status} {done} tasks done {at}".rstrip()


def _print(execution: Execution, children: list[Execution], *, json: bool) -> None:
    if json:
        _output.data({**execution.as_dict(), "children": [child.as_dict() for child in children]})
        return
    from k1nb import show as faces

    faces.print_execution(_output.console(), execution, {child.id: child for child in children})
