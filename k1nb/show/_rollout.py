"""Rollouts on a terminal: the table per wave and device, and what changes while one is followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from k1nb.show._words import duration

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.delivery.rollout import Progress, Seen

STYLES = {
    **dict.fromkeys(("succeeded", "current", "completed", "go_on"), "green"),
    **dict.fromkeys(("failed", "stopped", "stop", "broken"), "bold red"),
    **dict.fromkeys(("pending", "skipped", "paused", "waits_for_approval", "hold"), "yellow"),
    **dict.fromkeys(("running",), "blue"),
    **dict.fromkeys(("not_reached", "aborted"), "magenta"),
    **dict.fromkeys(("waiting",), "dim"),
}


def print_rollout(console: Console, progress: Progress) -> None:
    """Print how a rollout stands: each wave with its gate, each device with its outcome."""
    rollout = progress.rollout
    head = Text.assemble(rollout.id, "  ", _word(progress.standing), f"  {progress.reason}")
    console.print(head, soft_wrap=True)
    about = f"artifact {rollout.artifact_id[:12]}, commit {rollout.version[:12]}; {_counts(progress)}"
    console.print(Text(about), soft_wrap=True)
    if progress.picked_up is not None:
        console.print(Text(f"pending devices are tried again at {progress.picked_up:%Y-%m-%d %H:%M:%S} UTC"))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("wave", "device", "state", "grade", "took", ""):
        table.add_column(name, overflow="fold")
    for row in _rows(progress):
        table.add_row(*row)
    console.print(table)


def _rows(progress: Progress) -> Iterator[tuple[Text | str, ...]]:
    for number, wave in enumerate(progress.rollout.waves, 1):
        gate = progress.known.gate(number)
        said = Text.assemble(_word(gate.decision), f"  {'; '.join(gate.reasons)}") if gate else Text("gate not decided")
        yield str(number), "", "", "", "", said
        for device in wave:
            seen = progress.state(device)
            name = f"{device.name} (production)" if device.role == "production" else device.name
            yield "", name, _word(seen.state), seen.grade, _took(seen), Text(_why(seen))
    for device in progress.rollout.current:
        yield "–", device.name, _word("current"), "", "", Text("it ran the artifact when this was planned")


def _why(seen: Seen) -> str:
    outcome = f"{seen.outcome}: " if seen.outcome and seen.outcome not in seen.reason else ""
    execution = f" ({seen.execution_id})" if seen.execution_id and not seen.state.good else ""
    return f"{outcome}{seen.reason}{execution}"


def _took(seen: Seen) -> str:
    if seen.began_at is None:
        return ""
    return duration(((seen.ended_at or datetime.now(UTC)) - seen.began_at).total_seconds())


def print_rollouts(console: Console, found: Sequence[Progress]) -> None:
    """Print one line for each rollout."""
    if not found:
        console.print("no rollouts yet; plan one with: k1nb rollout plan ARTIFACT")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("rollout", "stands", "artifact", "began (UTC)", "devices"):
        table.add_column(name, overflow="fold")
    for one in found:
        began = f"{one.known.begun_at:%Y-%m-%d %H:%M:%S}" if one.known.begun_at else ""
        table.add_row(one.rollout.id, _word(one.standing), one.rollout.artifact_id[:12], began, _counts(one))
    console.print(table)


def print_rollout_changes(console: Console, before: Progress | None, now: Progress) -> None:
    """Print a line for each device whose state is another one, for each gate that was decided, and for the whole."""
    for number, wave in enumerate(now.rollout.waves, 1):
        for device in wave:
            seen = now.state(device)
            if before is None or before.state(device).state is not seen.state:
                if before is None and seen.state == "waiting":
                    continue
                at = seen.ended_at or seen.began_at
                line = Text(f"{at:%H:%M:%S}  " if at else " " * 10, "dim")
                line.append(f"wave {number}  {device.name}  ").append(_word(seen.state))
                line.append(f"  {seen.grade}" if seen.state.good else f"  {_why(seen)}")
                console.print(line, soft_wrap=True)
        gate = now.known.gate(number)
        if gate is not None and (before is None or before.known.gate(number) != gate):
            line = Text(f"{gate.at:%H:%M:%S}  ", "dim").append(f"wave {number}  gate  ").append(_word(gate.decision))
            console.print(line.append(f"  {'; '.join(gate.reasons)}"), soft_wrap=True)
    if before is None or before.standing is not now.standing:
        line = Text(" " * 10).append(f"{now.rollout.id}  ", "bold").append(_word(now.standing))
        console.print(line.append(f"  {now.reason}"), soft_wrap=True)


def _counts(progress: Progress) -> str:
    return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in progress.counts().items())


def _word(state: str) -> Text:
    return Text(str(state).replace("_", " "), STYLES.get(str(state), ""))
