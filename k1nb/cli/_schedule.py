"""Commands for notebooks that the workflow server's scheduler starts."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _complete, _output
from k1nb.cli._output import Json, Parameters
from k1nb.errors import UsageError

if TYPE_CHECKING:
    from k1nb.conductor import Schedule

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.", autocompletion=_complete.schedules)]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    for command in (add, remove, pause, resume):
        app.command()(command)
    return app


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the schedule is to be called.")],
    notebook: Annotated[
        str,
        typer.Argument(help="Name of a shipped notebook, such as daily_health.", autocompletion=_complete.notebooks),
    ],
    cron: Annotated[
        str, typer.Option("--cron", metavar="CRON", help="Six fields, seconds first: '0 30 7 ? * MON-FRI'.")
    ] = "",
    daily: Annotated[str, typer.Option("--daily", metavar="HH:MM", help="Every day at this time instead.")] = "",
    zone: Annotated[
        str,
        typer.Option(
            "--zone",
            metavar="ZONE",
            help="Time zone that this is read in, such as Europe/Berlin.",
            autocompletion=_complete.zones,
        ),
    ] = "UTC",
    parameters: Parameters = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let it fail on WARN as well.")] = False,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Run later, one after another, what was due while the server was down.")
    ] = False,
    json: Json = False,
) -> None:
    """Have a notebook run by the clock; a schedule of that name is replaced, and what changes is shown."""
    from k1nb.conductor import Conductor
    from k1nb.records import schedules

    settings = _output.settings()
    if bool(cron) == bool(daily):
        raise UsageError("a schedule needs either --cron or --daily", hint="for example --daily 06:00")
    _output.refuse_secrets(settings, {"NAME": name})
    wanted = schedules.wanted(
        settings,
        name,
        notebook,
        cron=cron or schedules.daily(daily),
        zone=zone,
        parameters=_output.pairs(parameters, example="-p device=demo"),
        strict=strict,
        catch_up=catch_up,
    )
    with Conductor.from_settings(settings) as conductor:
        done = schedules.put(conductor, wanted)
        sight = schedules.look(conductor, done.schedule, datetime.now(UTC))
    if json:
        _output.data({**done.as_dict(), "schedule": sight.as_dict()})
        return
    for what, old, new in done.changes:
        _output.say(f"{what}: {old} → {new}")
    verb = "added" if done.created else "replaced" if done.changed else "is there already, nothing was changed"
    coming = f"next {sight.next_run:%Y-%m-%d %H:%M} UTC" if sight.next_run else "paused"
    _output.say(f"schedule {name} {verb}; {coming}")


def list_(json: Json = False) -> None:
    """List the schedules: when each runs next, how it ran last, and which of the last week's runs were lost."""
    from k1nb.conductor import Conductor
    from k1nb.records import schedules

    now = datetime.now(UTC)
    with Conductor.from_settings(_output.settings()) as conductor:
        known = sorted(conductor.schedules(schedules.WORKFLOW), key=lambda schedule: schedule.name)
        found = [schedules.look(conductor, schedule, now) for schedule in known]
    if json:
        _output.data([sight.as_dict() for sight in found])
        return
    from k1nb import show

    show.print_schedules(_output.console(), found)


def remove(name: Name, json: Json = False) -> None:
    """Take a schedule off the server; runs that it has started go on, and their records stay."""
    from k1nb.conductor import Conductor
    from k1nb.records import schedules

    settings = _output.settings()
    _output.refuse_secrets(settings, {"NAME": name})
    with Conductor.from_settings(settings) as conductor:
        removed = schedules.remove(conductor, name)
    if json:
        _output.data({"name": name, "again": _again(removed)})
        return
    _output.say(f"schedule {name} removed")
    _output.note(f"to have it back: {_again(removed)}")


def _again(schedule: Schedule) -> str:
    """Return the command that puts a schedule there as it was."""
    given = schedule.input
    words = ["k1nb", "schedule", "add", schedule.name, str(given.get("notebook")), "--cron", schedule.cron]
    words += ["--zone", schedule.zone]
    for name, value in (given.get("parameters") or {}).items():
        words += ["-p", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
    words += [option for option, on in (("--strict", given.get("strict")), ("--catch-up", schedule.catch_up)) if on]
    return shlex.join(words)


def pause(
    name: Name,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why; daily health shows it, and it stays until another one is given.")
    ] = "",
) -> None:
    """Let a schedule start nothing until it is resumed."""
    from k1nb.conductor import Conductor
    from k1nb.records import schedules

    settings = _output.settings()
    _output.refuse_secrets(settings, {"NAME": name, "--reason": reason})
    with Conductor.from_settings(settings) as conductor:
        found = schedules.find(conductor, name)
        conductor.pause_schedule(name, reason or (found.paused_reason if found.paused else ""))
    _output.say(f"schedule {name} is paused")


def resume(name: Name) -> None:
    """Let a paused schedule start runs again; those that were due meanwhile are not made up for."""
    from k1nb.conductor import Conductor
    from k1nb.records import schedules

    settings = _output.settings()
    _output.refuse_secrets(settings, {"NAME": name})
    with Conductor.from_settings(settings) as conductor:
        conductor.resume_schedule(schedules.find(conductor, name).name)
        sight = schedules.look(conductor, schedules.find(conductor, name), datetime.now(UTC))
    coming = f"; next {sight.next_run:%Y-%m-%d %H:%M} UTC" if sight.next_run else ""
    _output.say(f"schedule {name} runs{coming}")
