"""What the command line prints of schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from k1nb.show._terminal import new_listing, status_text

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.records.schedules import Run, Sight


def print_schedules(console: Console, sights: Sequence[Sight]) -> None:
    """Print one line for each schedule, and below them what was due and has no verdict, the newest first."""
    if not sights:
        console.print("nothing is scheduled; for example: k1nb schedule add daily_health daily_health --daily 06:00")
        return
    table = new_listing("schedule", "notebook", "when", "next (UTC)", "last (UTC)", "verdict", "lost in 7 days")
    for sight in sights:
        table.add_row(sight.schedule.name, sight.notebook, _when(sight), _next(sight), *_last(sight), _lost(sight))
    console.print(table)
    for sight in sights:
        for run in sight.lost:
            line = f"{sight.schedule.name}  {run.state} {_time(run.planned_at)}: {run.reason}"
            console.print(Text(line), soft_wrap=True)


def _when(sight: Sight) -> Text:
    return Text(f"{sight.schedule.cron}  {sight.schedule.zone}")


def _next(sight: Sight) -> Text:
    if sight.schedule.paused:
        reason = sight.schedule.paused_reason
        return Text(f"paused{f': {reason}' if reason else ''}", "yellow")
    return Text(_time(sight.next_run) if not sight.unread else "unknown")


def _last(sight: Sight) -> tuple[Text, Text]:
    """Return times and what came of them: the newest one that was due, below it the last one with a verdict."""
    runs = {run.planned_at: run for run in (sight.last, sight.newest) if run is not None}
    if not runs:
        return Text("–"), Text("")
    line = Text("\n")
    return line.join(Text(_time(at)) for at in reversed(runs)), line.join(map(_outcome, reversed(runs.values())))


def _outcome(run: Run) -> Text:
    said = status_text(run.verdict) if run.verdict else Text(run.state.value, "blue" if run.state.well else "bold red")
    return Text.assemble(said, f"  {run.run}" if run.run else "")


def _lost(sight: Sight) -> Text:
    if sight.unread:
        return Text("unknown", "magenta")
    return Text(str(len(sight.lost)), "bold red" if sight.lost else "")


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"
