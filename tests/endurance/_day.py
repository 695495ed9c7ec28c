"""A day at ten times the expected volume, compressed: nothing lost, memory flat, growth of the databases stated."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks._measure import home
from k1nb import delivery, stack
from k1nb._http import free_port
from k1nb.conductor import Conductor, Execution, ExecutionStatus, apply_definitions, plan_definitions
from k1nb.conductor import load as load_definitions
from k1nb.config import Settings, load
from k1nb.device import Device, Inventory
from k1nb.errors import ConductorError
from k1nb.firmware import SAMPLE_PROJECT, Outcome, commit_change, ensure_sample_repository
from k1nb.paths import write_text
from k1nb.stack._supervisor import Supervisor
from tests.endurance._page import Section

WORKFLOW = "device-deployment"
ENVIRONMENT = "esp32-s3-devkitc-1"
CHANGE_EVERY = 5
"""Of so many deployments to a device one brings another image."""
PAUSES = 0.05
"""Factor on the pauses before retries of the shipped task definitions."""
SLACK = 1.10
"""Memory of the day's last quarter over that of its second, at most: the first one is warming up."""
STALLED = 600.0
"""Seconds without any end after which the rest counts as lost."""
SAMPLE = 5.0
"""Seconds between two looks at the memory."""
WATCHED = ("conductor", "workers", "simulator")
GOOD = (Outcome.succeeded.value, Outcome.no_op.value)


@dataclass(frozen=True, slots=True)
class Day:
    """How much is done in how long."""

    executions: int
    devices: int
    scale: float
    length: float


@dataclass
class Seen:
    """What was seen while the day went by."""

    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {name: [] for name in WATCHED})
    """Of each service seconds since the day began and MiB."""
    ended: list[Execution] = field(default_factory=list)
    lost: int = 0
    late: float = 0.0
    """Seconds that the last execution was started after its time."""


def run(day: Day, figure: Path, say: Callable[[str], None]) -> Section:
    """Live through the day, and tell what came of it."""
    with home() as bare, _scaled(bare, day) as settings:
        devices = _devices(settings, day.devices)
        stack.up(settings.model_copy(update={"timings_scale": 1.0}), ["conductor"], say)
        stack.up(settings, ["simulator", "workers"], say)
        _define(settings)
        images = _images(settings, devices[0], say)
        before, flashed = _sizes(settings), _flashes(settings, devices)
        seen = _live(settings, day, devices, images, say)
        after = _sizes(settings)
        flashes = {name: count - flashed[name] for name, count in _flashes(settings, devices).items()}
        section = _section(day, seen, before, after, flashes, figure)
    _draw(seen, figure)
    return section


@contextmanager
def _scaled(bare: Settings, day: Day) -> Iterator[Settings]:
    """Give the home its scale; its services read it, too."""
    file = bare.paths.settings_file
    write_text(file, file.read_text(encoding="utf-8") + f"timings_scale = {day.scale}\n")
    yield load()


def _devices(settings: Settings, count: int) -> list[Device]:
    found = []
    for number in range(count):
        mac = f"02:4B:31:00:{number // 256:02X}:{number % 256:02X}"
        device = Device(f"sim-{number:02}", mac, "127.0.0.1", free_port(), free_port(), kind="simulator")
        Inventory(settings.paths).add(device)
        found.append(device)
    return found


def _define(settings: Settings) -> None:
    """Register the shipped definitions with shorter pauses before retries."""
    shipped = load_definitions()
    for task in shipped.tasks.values():
        if "retryDelaySeconds" in task:
            task["retryDelaySeconds"] = max(1, round(task["retryDelaySeconds"] * PAUSES))
    with Conductor.from_settings(settings) as conductor:
        plan = plan_definitions(shipped, conductor.task_definitions(), conductor.workflow_definitions())
        apply_definitions(conductor, shipped, plan)


def _images(settings: Settings, device: Device, say: Callable[[str], None]) -> list[str]:
    """Build two commits by delivering them, as everybody does, and return their artifacts."""
    repository = ensure_sample_repository(settings.paths)
    artifacts = []
    for _ in range(2):
        commit = commit_change(repository)
        facts = delivery.observe(
            settings,
            repo=SAMPLE_PROJECT,
            branch="main",
            commit_sha=commit.sha,
            environment=ENVIRONMENT,
            device=device.name,
        )
        plan = delivery.plan(facts)
        done = delivery.apply(settings, facts, plan, consent=plan.id)
        if done is None or done.artifact_id is None or done.outcome is not Outcome.succeeded:
            raise RuntimeError(f"the line does not work: {done}")
        say(f"built and delivered {commit.sha[:12]}: {done.artifact_id[:12]}")
        artifacts.append(done.artifact_id)
    return artifacts


@dataclass
class Clock:
    """Starts each execution at its time, or when its device's last one has ended."""

    settings: Settings
    day: Day
    devices: list[Device]
    images: list[str]
    conductor: Conductor
    began: float
    seen: Seen = field(default_factory=Seen)
    running: dict[str, str] = field(default_factory=dict)
    """Execution by its device's name."""
    waiting: list[int] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Seconds since the day began."""
        return time.monotonic() - self.began

    def look(self) -> None:
        """Take note of what has ended."""
        for name, one in list(self.running.items()):
            with suppress(ConductorError):
                execution = self.conductor.execution(one, tasks=False)
                if execution.status.terminal:
                    self.seen.ended.append(execution)
                    del self.running[name]

    def start(self) -> None:
        """Start what is due."""
        for number in list(self.waiting):
            due, device = number * self.day.length / self.day.executions, self.devices[number % len(self.devices)]
            if due > self.now:
                return
            if device.name in self.running:
                continue
            with suppress(ConductorError):  # it is asked for again at the next tick
                self.running[device.name] = self._start(device, number)
                self.waiting.remove(number)
                self.seen.late = self.now - due

    def _start(self, device: Device, number: int) -> str:
        key = f"day:{number}"
        if known := self.conductor.correlated(WORKFLOW, key):
            return known[0].id
        given = {
            "device": device.name,
            "device_ip": None,
            "artifact_id": self.images[_image(self.day, number)],
            "reason": "endurance",
            "allow_production": False,
            "restore_look": True,
        }
        return self.conductor.start(WORKFLOW, given, correlation_id=key)


def _live(settings: Settings, day: Day, devices: list[Device], images: list[str], say: Callable[[str], None]) -> Seen:
    """Let the day go by until everything has ended, or nothing moves any more."""
    with Conductor.from_settings(settings) as conductor:
        clock = Clock(settings, day, devices, images, conductor, time.monotonic(), waiting=list(range(day.executions)))
        moved, sampled, before = time.monotonic(), 0.0, 0
        while (clock.waiting or clock.running) and time.monotonic() - moved < STALLED:
            clock.look()
            clock.start()
            if len(clock.seen.ended) != before:
                before, moved = len(clock.seen.ended), time.monotonic()
                if before % 50 == 0:
                    say(f"{before} of {day.executions} have ended after {clock.now:.0f} s")
            if clock.now - sampled >= SAMPLE:
                sampled = clock.now
                _sample(settings, sampled, clock.seen)
            time.sleep(0.5)
    clock.seen.lost = day.executions - len(clock.seen.ended)
    return clock.seen


def _image(day: Day, number: int) -> int:
    """Return which of the two images an execution brings."""
    return number // day.devices // CHANGE_EVERY % 2


def _sample(settings: Settings, at: float, seen: Seen) -> None:
    """Note the memory of each service, its children's included."""
    supervisor = Supervisor(settings.paths, settings.timings)
    for name in WATCHED:
        with suppress(psutil.Error):
            process = psutil.Process(supervisor.process(name).pid or 0)
            family = [process, *process.children(recursive=True)]
            seen.memory[name].append((at, sum(one.memory_info().rss for one in family) / 2**20))


def _sizes(settings: Settings) -> dict[str, int]:
    """Return the bytes of each database with its journal."""
    files = {
        "Conductor's database": settings.paths.stack / "conductor" / "conductor.sqlite",
        "the ledger": settings.paths.ledger,
    }
    return {
        name: sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*")) for name, file in files.items()
    }


def _flashes(settings: Settings, devices: list[Device]) -> dict[str, int]:
    """Return how many images each device has accepted, as its flash says."""
    found = {}
    for device in devices:
        file = settings.paths.simulators / device.name / "otadata.json"
        found[device.name] = int(json.loads(file.read_text())["flashes_completed"]) if file.exists() else 0
    return found


def _section(
    day: Day,
    seen: Seen,
    before: Mapping[str, int],
    after: Mapping[str, int],
    flashes: Mapping[str, int],
    figure: Path,
) -> Section:
    completed = [one for one in seen.ended if one.status is ExecutionStatus.COMPLETED]
    outcomes = [str(one.output.get("outcome")) for one in completed]
    bad = len(seen.ended) - sum(outcome in GOOD for outcome in outcomes)
    why = next((f": {one.reason}" for one in seen.ended if one.status is not ExecutionStatus.COMPLETED), "")
    wanted = _wanted(day)
    wrong = [
        f"{seen.lost} executions were lost" if seen.lost else "",
        f"{bad} executions did not end well{why}" if bad else "",
        f"{sum(flashes.values())} flashes instead of {wanted}" if sum(flashes.values()) != wanted else "",
    ]
    kinds = ", ".join(f"{outcomes.count(one)} {one}" for one in sorted(set(outcomes)))
    took = [one.seconds for one in completed if one.seconds]
    rows = [
        ("executions", f"{day.executions} on {day.devices} devices within {day.length:.0f} s, waits × {day.scale:g}"),
        ("completed", f"{len(completed)}: {kinds}"),
        ("lost", f"{seen.lost}"),
        ("flashes", f"{sum(flashes.values())}, {wanted} were wanted"),
        ("last start after its time", f"{seen.late:.0f} s"),
        ("one execution", f"median {statistics.median(took):.1f} s, longest {max(took):.1f} s" if took else "none"),
    ]
    for name, samples in seen.memory.items():
        second, last = _quarters(samples)
        rows.append((f"memory of {name}", f"{second:.0f} MiB in the second quarter, {last:.0f} MiB in the last"))
        if last > SLACK * second:
            wrong.append(f"the memory of {name} is not flat")
    for name, size in after.items():
        grown = size - before[name]
        each = grown / day.executions / 1024
        rows.append((f"growth of {name}", f"{grown / 2**20:.1f} MiB, {each:.1f} KiB an execution"))
    return Section("A day", figure.name, tuple(rows), tuple(filter(None, wrong)))


def _wanted(day: Day) -> int:
    """Return how many flashes the day needs; the first device runs the second image when it begins."""
    runs: dict[int, int] = {0: 1}
    flashes = 0
    for number in range(day.executions):
        device, image = number % day.devices, _image(day, number)
        flashes += runs.get(device) != image
        runs[device] = image
    return flashes


def _quarters(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median memory of the second quarter and of the last."""
    values = [value for _, value in samples] or [0.0]
    quarter = max(len(values) // 4, 1)
    return statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])


def _draw(seen: Seen, file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, samples in seen.memory.items():
        axes.plot([at / 60 for at, _ in samples], [value for _, value in samples], label=name)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MiB")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
