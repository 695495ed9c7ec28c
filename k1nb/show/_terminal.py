"""What the command line prints for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from k1nb._plain import first_line
from k1nb.records import worst_first
from k1nb.show._rows import Row, rows_of
from k1nb.show._tables import plan_text
from k1nb.show._words import duration

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from k1nb.checks import Check
    from k1nb.conductor import Change, Execution
    from k1nb.device import Device, Readings
    from k1nb.firmware import Artifact, Deployment
    from k1nb.plan import Plan
    from k1nb.stack import ServiceStatus

_STYLES = {
    **dict.fromkeys(("OK", "COMPLETED", "running", "ok"), "green"),
    **dict.fromkeys(("FAIL", "FAILED", "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT", "failed"), "bold red"),
    **dict.fromkeys(("WARN", "PAUSED", "COMPLETED_WITH_ERRORS", "starting"), "yellow"),
    **dict.fromkeys(("UNKNOWN", "INTERRUPTED", "TERMINATED", "CANCELED"), "magenta"),
    **dict.fromkeys(("RUNNING", "IN_PROGRESS", "SCHEDULED"), "blue"),
    **dict.fromkeys(("NOT_CONFIGURED", "SKIPPED", "absent", "stopped"), "dim"),
}

_WIDEST = 10_000
_FOLDED, _REASON = 70, 120
"""Characters of a reason in a list: what a line has at least, and what there is of it: two lines of 80 columns."""


def print_checks(console: Console, checks: Iterable[Check]) -> None:
    """Print checks, the worst first, each hint below its check."""
    table = _table()
    for check in worst_first(checks):
        seen = Text(check.evidence)
        if check.hint:
            seen.append(f"\nhint: {check.hint}", style="dim")
        table.add_row(_status(check.status), Text(check.name), seen)
    console.print(table)


def print_plan(console: Console, plan: Plan) -> None:
    """Print a plan: its id, its steps, and what it was planned from."""
    console.print(plan_text(plan), markup=False)


def print_execution(console: Console, execution: Execution, children: Mapping[str, Execution] | None = None) -> None:
    """Print an execution and its tasks; those of its sub-workflows stand below them where `children` has them by id."""
    head = Text.assemble(execution.name, "  ", execution.id, "  ", _status(execution.status))
    if execution.seconds is not None:
        head.append(f"  {duration(execution.seconds)}")
    console.print(head, soft_wrap=True)
    if execution.reason:
        console.print(Text(execution.reason, style="red"), soft_wrap=True)
    rows = [_task_cells(row, children or {}) for row in rows_of(execution, children or {})]
    widths = [max((cell.cell_len for cell in column), default=0) + 2 for column in zip(*rows, strict=True)]
    if sum(widths[:3]) + min(sum(widths[3:]), _FOLDED) > console.width:
        _print_tasks_narrow(console, rows, widths)
        return
    table = _table("task", "status", "took", "")
    for row in rows:
        table.add_row(*row)
    for column in table.columns[:3]:
        column.no_wrap = True
    console.print(table)


def _task_cells(row: Row, children: Mapping[str, Execution]) -> tuple[Text, Text, Text, Text]:
    task = row.last
    child = children.get(task.child_id or "")
    # Below it stands the task whose reason it is.
    reason = "" if child and task.reason in {each.reason for each in child.tasks} else task.reason
    note = f"attempt {len(row.attempts)}  " if len(row.attempts) > 1 else ""
    took = duration(task.seconds) if task.seconds is not None else ""
    return Text("  " * row.depth + row.reference), _status(task.status), Text(took), Text(note + reason)


def _print_tasks_narrow(console: Console, rows: Iterable[tuple[Text, Text, Text, Text]], widths: list[int]) -> None:
    """Print tasks with what is said of one below it, where it would not fit beside."""
    for name, status, took, note in rows:
        line = Text.assemble(name, " " * (widths[0] - name.cell_len), status)
        console.print(line.append(" " * (widths[1] - status.cell_len)).append(took), soft_wrap=True)
        if note.plain.strip():
            depth = len(name.plain) - len(name.plain.lstrip())
            console.print(Padding(Text(note.plain, "dim", overflow="fold"), (0, 0, 0, depth + 4)))


def print_change(console: Console, change: Change) -> None:
    """Print one line for a change of an execution that is followed."""
    task = change.task
    line = Text(f"{change.at:%H:%M:%S}  " if change.at else " " * 10, "dim")
    line.append("  " * change.depth + (task.reference if task else change.execution.name), "" if task else "bold")
    line.append("  ").append(_status((task or change.execution).status))
    if task and task.retry_count:
        line.append(f"  attempt {task.retry_count + 1}")
    if reason := (task or change.execution).reason:
        line.append(f"  {' '.join(reason.split())}")
    console.print(line, soft_wrap=True)


def print_executions(console: Console, executions: Sequence[Execution]) -> None:
    """Print one line for each execution, or a block of lines on a terminal that is too narrow for one."""
    if not executions:
        console.print("no executions")
        return
    table = new_listing("status", "workflow", "began (UTC)", "took", "id", "reason", folds_to=_FOLDED)
    for execution in executions:
        table.add_row(
            _status(execution.status),
            Text(execution.name),
            _time(execution.started_at) if execution.started_at else "",
            duration(execution.seconds) if execution.seconds is not None else "",
            execution.id,
            Text(first_line(execution.reason, _REASON)),
        )
    console.print(table)


def print_artifacts(console: Console, artifacts: Sequence[Artifact]) -> None:
    """Print one line for each stored artifact."""
    if not artifacts:
        console.print("no artifacts yet; a build stores one: k1nb run firmware_deploy")
        return
    table = _table("artifact", "commit", "repository", "environment", "size", "flash", "stored (UTC)")
    for artifact in artifacts:
        flash = f"{artifact.flash_percent:.1f} %" if artifact.flash_percent is not None else ""
        facts = (artifact.id[:12], artifact.version[:12], artifact.repo, artifact.environment)
        table.add_row(*map(Text, facts), f"{artifact.size:,} B", flash, _time(artifact.stored_at))
    console.print(table)


def print_artifact(
    console: Console, artifact: Artifact, deployments: Sequence[Deployment], names: Mapping[str, str] | None = None
) -> None:
    """Print an artifact's facts, one on a line, and one line for each deployment; `names` has the devices' by MAC."""
    facts = _table()
    usage = {"flash": artifact.flash_percent, "RAM": artifact.ram_percent}
    rows = {
        "artifact": artifact.id,
        "firmware": artifact.project_name or "unnamed",
        "commit": f"{artifact.version} of {artifact.repo}, branch {artifact.branch}",
        "environment": artifact.environment,
        "stamp": artifact.stamp or "none: the device cannot show what it runs",
        "size": f"{artifact.size:,} B" + "".join(f", {n} {p:.1f} %" for n, p in usage.items() if p is not None),
        "MD5": artifact.md5,
        "stored (UTC)": _time(artifact.stored_at),
        "file": str(artifact.path),
    }
    for name, value in rows.items():
        facts.add_row(Text(name, style="dim"), Text(str(value)))
    console.print(facts)
    if not deployments:
        console.print("never sent to a device")
        return
    table = new_listing("device", "MAC", "outcome", "grade", "began (UTC)", "execution")
    for row in deployments:
        ended = row.outcome.value if row.outcome else "not ended"
        device = Text((names or {}).get(row.mac) or "not in the inventory")
        table.add_row(device, row.mac, ended, row.grade.name, _time(row.started_at), Text(row.execution_id))
    console.print(table)


def print_services(console: Console, services: Sequence[ServiceStatus]) -> None:
    """Print one line for each service."""
    table = _table("service", "state", "pid", "since (UTC)", "address", "")
    for service in services:
        table.add_row(
            Text(service.name),
            _status(service.state),
            str(service.pid or ""),
            _time(service.since) if service.since else "",
            Text(service.address),
            Text(service.detail),
        )
    console.print(table)


def print_devices(console: Console, devices: Sequence[Device]) -> None:
    """Print one line for each device of the inventory."""
    if not devices:
        console.print("the inventory is empty; add a device with: k1nb device add")
        return
    table = _table("device", "MAC", "address", "HTTP", "OTA", "role", "kind")
    for device in devices:
        ports = (str(device.http_port), str(device.ota_port))
        table.add_row(device.name, device.mac, Text(device.address), *ports, device.role, device.kind)
    console.print(table)


def print_readings(console: Console, device: Device, readings: Readings) -> None:
    """Print what a device says of itself."""
    table = _table()
    for name, value in (
        ("device", Text(f"{device.label}, {device.role}, {device.kind}")),
        ("MAC", Text(readings.mac)),
        ("status", _status(readings.status)),
        ("build stamp", Text(readings.stamp or "none shown")),
        ("uptime", Text(duration(readings.uptime_seconds))),
        ("frame rate", Text(f"{readings.fps:.1f} fps")),
        ("render time", Text(f"{readings.avg_render_time_ms:.2f} ms")),
        ("free heap", Text(f"{readings.free_heap_bytes:,} B")),
        ("pattern", Text(readings.pattern)),
        ("read at", Text(f"{_time(readings.at)} UTC")),
    ):
        table.add_row(Text(name, style="dim"), value)
    console.print(table)


def new_table(*heads: str) -> Table:
    """Return an empty table in the style of all that is printed; without heads it has three columns."""
    return _table(*heads)


def new_listing(*heads: str, folds_to: int = 0) -> Table:
    """Return a table of which nothing is folded or cut: where that does not fit, each row becomes a block of lines.

    With `folds_to` the last column may be folded, down to so many characters.
    """
    table = _Listing(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.folds_to = folds_to
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=not (folds_to and head == heads[-1]))
    return table


def status_text(status: str) -> Text:
    """Return a status or verdict in its colour."""
    return _status(status)


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=bool(heads), header_style="dim", padding=(0, 2, 0, 0))
    for head in heads or ("", "", ""):
        table.add_column(head, overflow="fold")
    return table


class _Listing(Table):
    folds_to = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = Measurement.get(console, options.update(width=_WIDEST), self).maximum
        if self.folds_to:
            last = max((cell_len(str(cell)) for cell in self.columns[-1].cells), default=0)
            whole -= max(last - self.folds_to, 0)
        return super().__rich_console__(console, options) if whole <= options.max_width else self._blocks()

    def _blocks(self) -> Iterator[Table]:
        for row in zip(*(column.cells for column in self.columns), strict=True):
            block = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
            for cell, column in zip(row, self.columns, strict=True):
                if str(cell):
                    block.add_row(column.header, cell)
            block.add_row("", "")
            yield block


def _status(status: str) -> Text:
    return Text("not configured" if status == "NOT_CONFIGURED" else str(status), _STYLES.get(status, ""))


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"
