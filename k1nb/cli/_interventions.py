"""Commands that intervene in workflow executions, and that remove old ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb._plain import counted
from k1nb.cli import _consent, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.conductor import Bulk, Conductor, Intervention
    from k1nb.config import Settings
    from k1nb.plan import Plan

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of executions.")]
Apply = Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group of executions."""
    for command in (pause, resume, retry, terminate, restart, rerun, prune):
        app.command()(command)


def pause(executions: Ids, json: Json = False) -> None:
    """Begin no further task; those that are queued or running go on. Exit code 1 if one was refused."""
    _many(lambda server: server.pause_many(executions), "paused", json=json)


def resume(executions: Ids, json: Json = False) -> None:
    """Let paused executions go on; exit code 1 if one was refused."""
    _many(lambda server: server.resume_many(executions), "goes on", json=json)


def retry(executions: Ids, json: Json = False) -> None:
    """Continue failed executions from their failed task, sub-workflows included; exit code 1 if one was refused."""
    _many(lambda server: _retried(server, executions), "goes on from its failed task", json=json)


def terminate(
    executions: Ids,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with the execution.")],
    apply: Apply = "",
    json: Json = False,
) -> None:
    """End executions for good, a running task included; without --apply only show the plan."""
    from k1nb.conductor import Intervention, Verb

    settings = _output.settings()
    _output.refuse_secrets(settings, {"--reason": reason})
    _intervene(settings, Intervention(Verb.TERMINATE, reason=reason), executions, apply, json=json)


def restart(
    executions: Ids,
    newest: Annotated[bool, typer.Option("--newest", help="With the newest version of their definition.")] = False,
    apply: Apply = "",
    json: Json = False,
) -> None:
    """Begin executions that have ended again from the start; without --apply only show the plan."""
    from k1nb.conductor import Intervention, Verb

    wanted = Intervention(Verb.RESTART, newest_definition=newest)
    _intervene(_output.settings(), wanted, executions, apply, json=json)


def rerun(
    execution: Annotated[str, typer.Argument(metavar="ID", help="Id of the execution.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="TASK", help="Reference name of a task.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=VALUE", help="The workflow's input anew; true, false, null."),
    ] = None,
    apply: Apply = "",
    json: Json = False,
) -> None:
    """Begin an execution that has ended again at one of its tasks; without --apply only show the plan."""
    from k1nb.conductor import Intervention, Verb

    settings = _output.settings()
    words = _output.inputs(inputs) if inputs else None
    _output.refuse_secrets(settings, {"--from": from_, "-i": " ".join(inputs or ())})
    _intervene(settings, Intervention(Verb.RERUN, reference=from_, input=words), [execution], apply, json=json)


def prune(
    days: Annotated[
        float, typer.Option("--days", min=0, max=36_500, help="Remove what ended longer ago than this.")
    ] = 90,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only executions of this workflow.")] = None,
    apply: Apply = "",
    json: Json = False,
) -> None:
    """Remove up to 1,000 of the oldest executions that ended long ago; without --apply only show the plan.

    A sub-workflow goes with what started it, and stays as long as that stays.
    Ledger, artifacts and records stay: they only name executions by their ids.
    """
    from datetime import UTC, datetime, timedelta
    from functools import partial

    from k1nb import conductor, stack

    before = datetime.now(UTC) - timedelta(days=days)
    settings = _output.settings()
    with (
        conductor.Conductor.from_settings(settings) as server,
        _output.progress("remove executions") as advance,
    ):
        on_plan = None if json else _show
        done = conductor.prune(
            server,
            before=before,
            name=workflow,
            consent=apply,
            clear_index=partial(stack.clear_index, settings),
            on_plan=on_plan,
            on_progress=advance,
        )
    if json:
        _output.data(done.as_dict())
    elif done.refused is None:
        _output.note(f"nothing was removed; {_consent.how_to_apply(done.plan)}" if done.plan.steps else "nothing to do")
    else:
        _tell_refusals(done.refused)
        _output.note(f"{counted(len(done.removed), 'execution')} removed")
    sys.exit(1 if done.refused else 0)


def _retried(server: Conductor, executions: Iterable[str]) -> Bulk:
    """Retry one by one: only that way the server goes on inside a failed sub-workflow."""
    from k1nb.conductor import Bulk
    from k1nb.errors import ConductorRefused

    done, refused = [], {}
    for execution in executions:
        try:
            server.retry(execution)
        except ConductorRefused as error:
            refused[execution] = error.message
        else:
            done.append(execution)
    return Bulk(tuple(done), refused)


def _many(do: Callable[[Conductor], Bulk], done: str, *, json: bool) -> None:
    from k1nb.conductor import Conductor

    with Conductor.from_settings(_output.settings()) as server:
        bulk = do(server)
    if json:
        _output.data(bulk.as_dict())
    else:
        for execution in bulk.done:
            _output.say(f"{execution}: {done}")
        _tell_refusals(bulk.refused)
    sys.exit(1 if bulk.refused else 0)


def _intervene(settings: Settings, wanted: Intervention, executions: list[str], consent: str, *, json: bool) -> None:
    from k1nb.conductor import Conductor, intervene

    with Conductor.from_settings(settings) as server:
        on_plan = None if json else _show
        result = intervene(server, wanted, executions, consent=consent, on_plan=on_plan)
    if json:
        _output.data(result.as_dict())
    elif result.refused is None:
        _output.note(
            f"nothing was changed; {_consent.how_to_apply(result.plan)}" if result.plan.steps else "nothing to do"
        )
    else:
        for one in result.done:
            _output.say(f"{one.name} {one.id}: {one.status}")
        _tell_refusals(result.refused)
    sys.exit(1 if result.refused else 0)


def _tell_refusals(refused: Mapping[str, str]) -> None:
    for execution, why in refused.items():
        _output.say(f"{execution}: refused, {why}")


def _show(plan: Plan) -> None:
    from k1nb import show

    show.print_plan(_output.console(), plan)
