"""How the services of the local target stand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import psutil

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import ServiceError
from k1nb.stack._memory import Memory
from k1nb.stack._processes import left_over, listens, service_name
from k1nb.stack._services import SIMULATOR, address, configured, endpoints
from k1nb.stack._supervisor import Process, Supervisor

State = Literal["running", "starting", "stopped", "failed", "absent"]

_LOOK = 1.0
"""Seconds that a look at a local port may take."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How one service stands."""

    name: str
    state: State
    """`stopped`: on purpose; `failed`: it ended, or runs without being kept; `absent`: never started."""
    pid: int | None = None
    since: datetime | None = None
    address: str = ""
    """URLs under which it is reached, separated by blanks."""
    detail: str = ""
    on_purpose: bool = False
    hung: bool = False
    """Its process is there, but was stopped by a signal and does nothing."""

    def as_dict(self) -> dict[str, Any]:
        """Return the status as JSON-able data."""
        return asdict(self) | {"since": self.since.isoformat(timespec="seconds") if self.since else None}


def status(settings: Settings) -> list[ServiceStatus]:
    """Return how each configured service stands, in the order they are started; quick, and works without any."""
    supervisor = Supervisor(settings.paths, settings.timings)
    memory = Memory.read(settings)
    try:
        known = supervisor.processes()
        orphans: dict[str, psutil.Process] = {}
    except ServiceError:
        known = {}
        orphans = {service_name(process) or "": process for process in reversed(left_over(supervisor))}
    return [
        _orphaned(settings, name, orphans[name]) if name in orphans else _kept(settings, name, known.get(name), memory)
        for name in configured(settings)
    ]


def checks(settings: Settings) -> list[Check]:
    """Return one check per service of the local target."""
    answers = [check(s) for s in status(settings)]
    if SIMULATOR in configured(settings):
        return answers
    reason = "the inventory has no simulated device"
    return [*answers, Check(f"service {SIMULATOR}: runs", Status.NOT_CONFIGURED, reason, hint="`k1nb device add`")]


def check(seen: ServiceStatus) -> Check:
    """Return the answer to whether a service runs."""
    answers = {"running": Status.OK, "starting": Status.WARN}
    evidence = " ".join(filter(None, (seen.state, seen.detail and f"({seen.detail})")))
    if seen.pid and seen.since:
        evidence += f", pid {seen.pid} since {seen.since:%Y-%m-%d %H:%M:%S} UTC"
    answer = answers.get(seen.state, Status.FAIL)
    hints = {"running": None, "starting": "wait, then look again with `k1nb status`"}
    hint = hints.get(seen.state, f"`k1nb up {seen.name}`")
    if seen.state == "failed":
        hint = f"`k1nb logs {seen.name}`, then `k1nb up {seen.name}`"
    if seen.hung:
        hint = f"`k1nb down {seen.name}`, then `k1nb up {seen.name}`; or `kill -CONT {seen.pid}`, and it goes on"
    values = _measured(seen.pid) if seen.state == "running" else {}
    return Check(f"service {seen.name}: runs", answer, evidence, hint=hint, source="supervisord", values=values)


def _measured(pid: int | None) -> dict[str, float]:
    taken = _mebibytes(pid)
    return {} if taken is None else {"memory_mib": round(taken)}


def _kept(settings: Settings, name: str, process: Process | None, memory: Memory) -> ServiceStatus:
    """Return the status of a service as supervisord and what we remember of it say."""
    on_purpose = name in memory.on_purpose
    url = address(settings, name)
    if process is None or process.state == "STOPPED":
        state: State = "stopped" if on_purpose else "failed" if name in memory.failures else "absent"
        words = memory.failures.get(name, "").partition(";")[0]
        return ServiceStatus(name, state, address=url, detail=words, on_purpose=on_purpose)
    if process.state in ("EXITED", "FATAL", "BACKOFF", "UNKNOWN"):
        return ServiceStatus(name, "failed", address=url, detail=process.description)
    if process.pid and suspended(process.pid):
        detail = "its process is stopped by a signal (SIGSTOP or Ctrl-Z) and does nothing"
        return ServiceStatus(name, "failed", process.pid, process.since, url, detail, on_purpose, hung=True)
    state, detail = _alive(settings, name, process)
    return ServiceStatus(name, state, process.pid, process.since, url, detail, on_purpose)


def _alive(settings: Settings, name: str, process: Process) -> tuple[State, str]:
    if process.state == "STOPPING":
        return "running", "stopping: it finishes its running tasks"
    mute = [end for end in endpoints(settings, name) if end.kind == "tcp" and not listens(end, _LOOK)]
    if not mute:
        return "running", memory_of(process.pid)
    age = (datetime.now(UTC) - process.since).total_seconds() if process.since else 0.0
    state: State = "starting" if age < settings.timings.conductor_ready else "failed"
    return state, f"does not listen on {mute[0]}"


def suspended(pid: int) -> bool:
    """Tell whether a process is stopped by a signal: it lives, its ports accept, and nobody answers."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def memory_of(pid: int | None) -> str:
    """Say how much memory a process takes."""
    taken = _mebibytes(pid)
    return "" if taken is None else f"{taken:.0f} MiB"


def _mebibytes(pid: int | None) -> float | None:
    try:
        return float(psutil.Process(pid).memory_info().rss / 2**20) if pid else None
    except psutil.Error:
        return None


def _orphaned(settings: Settings, name: str, process: psutil.Process) -> ServiceStatus:
    detail = "runs, but nobody restarts it: its supervisord is gone"
    since = datetime.fromtimestamp(process.create_time(), UTC)
    return ServiceStatus(name, "failed", process.pid, since, address(settings, name), detail)
