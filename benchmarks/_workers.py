"""What worker hosts cost and do: ours beside those of the official SDKs, on one server, with the same work."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import peers
from benchmarks._measure import Row, home
from k1nb import stack
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings, environment
from k1nb.paths import private
from k1nb.stack._supervisor import Supervisor

TYPES = 40
"""Task types that each host serves."""
STEPS = 8
"""Tasks of the workflow, each of another type."""
CONCURRENCY = 4
"""Tasks of a type that may run at once; everything else is left at each host's defaults."""
LOAD = 300
"""Executions that are started at once."""
WINDOW = 30.0
"""Seconds over which a host without work is watched."""
SETTLE = 10.0
"""Seconds between a host's first work and the window."""
BOUND = 1200.0
"""Seconds after which an execution that has not completed counts as lost."""
STALLED = 180.0
"""Seconds without any completion after which the rest counts as lost."""
STARTERS = 4
WORKFLOW = "bench-steps"
NAMES = [f"bench_{number:02}" for number in range(TYPES)]
HERE = Path(__file__).parent / "hosts"
OWNER = "dev@k1.reinvented"


@dataclass(frozen=True, slots=True)
class Host:
    """A worker host that can be started; its command line ends in the task types."""

    name: str
    command: tuple[str, ...]


@dataclass(slots=True)
class Figures:
    """What was measured of one host."""

    rss: list[float] = field(default_factory=list)
    """MiB, summed over its processes."""
    pss: list[float] = field(default_factory=list)
    """MiB, shared pages counted once."""
    cpu: list[float] = field(default_factory=list)
    """Percent of one core, without work."""
    server: list[float] = field(default_factory=list)
    """Percent of one core that the server takes meanwhile."""
    latency: list[float] = field(default_factory=list)
    """Seconds from the start to the end of one execution alone."""
    load: list[float] = field(default_factory=list)
    """Seconds from the first start to the last end of many."""
    lost: list[float] = field(default_factory=list)
    processes: int = 0


def rows(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Measure each host in turn on one server that is warm."""
    python, javascript = peers.python_sdk(), peers.javascript_sdk()
    return measured(runs, say, python, javascript)


def measured(
    runs: int,
    say: Callable[[str], None],
    python: peers.Peer,
    javascript: peers.Peer,
    load: int = LOAD,
    window: float = WINDOW,
) -> list[Row]:
    """Measure with so many executions at once and so long a window."""
    with home() as settings:
        package = javascript.folder / "node_modules" / javascript.package
        url = settings.conductor_server_url
        shares = (str(CONCURRENCY),)
        ours = Host("k1nb", (sys.executable, "-m", "benchmarks._our_host", *shares))
        hosts = (
            Host(python.name, (str(python.program), str(HERE / "python_sdk.py"), url, *shares)),
            Host(
                javascript.name,
                (str(javascript.program), str(HERE / "javascript_sdk.cjs"), str(package), url, *shares),
            ),
        )
        stack.up(settings, ["conductor"], say)
        with Conductor.from_settings(settings) as conductor:
            _define(conductor)
            with _running(settings, ours):
                _load(conductor, load // 5, say)
            found = {}
            for host in (ours, *hosts):
                found[host.name] = _measure(settings, conductor, host, runs, load, window, say)
    return list(_rows(found[ours.name], {host.name: found[host.name] for host in hosts}, load))


def _rows(ours: Figures, theirs: dict[str, Figures], load: int) -> Iterator[Row]:
    """Yield each figure beside each peer; an aim against the best peer stands in that peer's row."""
    memory = dict(zip(theirs, (1 / 20, 1 / 2), strict=True))
    kinds: list[tuple[str, str, str, float | None]] = [
        ("rss", f"memory for {TYPES} task types, RSS", "MiB", None),
        ("pss", f"memory for {TYPES} task types, PSS", "MiB", None),
        ("cpu", "CPU without work, of one core", "%", 1 / 5),
        ("server", "server's CPU meanwhile, of one core", "%", None),
        ("latency", f"one execution of {STEPS} tasks", "s", 1.0),
        ("load", f"{load} executions of {STEPS} tasks at once", "s", 1.0),
    ]
    for key, what, unit, aim in kinds:
        best = min(theirs, key=lambda name: _middle(getattr(theirs[name], key)))
        for name, figures in theirs.items():
            wanted = memory[name] if key == "rss" else aim if name == best else None
            yield Row("workers", what, unit, getattr(ours, key), name, getattr(figures, key), aim=wanted)
    for number, (name, figures) in enumerate(theirs.items()):
        yield Row(
            "workers", f"of {load} executions lost", "", ours.lost, name, figures.lost, aim=None if number else 0.0
        )


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("inf")


def _define(conductor: Conductor) -> None:
    limits = {"ownerEmail": OWNER, "timeoutSeconds": 3600, "timeoutPolicy": "TIME_OUT_WF"}
    tasks = [{**limits, "name": name, "retryCount": 3, "responseTimeoutSeconds": 600} for name in NAMES]
    conductor.put_task_definitions(tasks)
    steps = []
    for number, name in enumerate(NAMES[:STEPS]):
        source = f"${{s{number - 1}.output.n}}" if number else "${workflow.input.n}"
        use = {"name": name, "taskReferenceName": f"s{number}", "type": "SIMPLE"}
        steps.append({**use, "inputParameters": {"n": source}})
    conductor.put_workflow_definition(
        {**limits, "name": WORKFLOW, "version": 1, "schemaVersion": 2, "tasks": steps,
         "outputParameters": {"n": f"${{s{STEPS - 1}.output.n}}"}}
    )  # fmt: skip


@contextmanager
def _running(settings: Settings, host: Host) -> Iterator[psutil.Process]:
    """Run a host, and end it and what it started afterwards, whatever happens."""
    folder = private(settings.paths.stack / "hosts")
    surroundings = environment(settings)
    with (folder / "log").open("ab") as log:
        process = psutil.Popen(
            [*host.command, *NAMES], cwd=Path(__file__).parents[1], env=surroundings, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            whole = _family(process)
            process.send_signal(signal.SIGTERM)
            _, late = psutil.wait_procs(whole, timeout=20)
            for one in late:
                with suppress(psutil.NoSuchProcess):
                    one.kill()


def _measure(
    settings: Settings,
    conductor: Conductor,
    host: Host,
    runs: int,
    load: int,
    window: float,
    say: Callable[[str], None],
) -> Figures:
    figures = Figures()
    server = psutil.Process(Supervisor(settings.paths, settings.timings).process("conductor").pid or 0)
    with _running(settings, host) as process:
        _one(conductor)
        time.sleep(SETTLE)
        for _ in range(2):
            _idle(process, server, figures, window / 2)
        figures.latency = [_seconds(_one(conductor)) for _ in range(3 * runs)]
        say(f"{host.name}: {_said(figures)}")
        seconds, lost = _load(conductor, load, say)
        figures.load, figures.lost = [seconds], [float(lost)]
        say(f"{host.name}: {load} executions in {seconds:.0f} s, {lost} lost")
    return figures


def _said(figures: Figures) -> str:
    return (
        f"{figures.processes} processes, RSS {figures.rss[-1]:.0f} MiB, PSS {figures.pss[-1]:.0f} MiB, "
        f"{_middle(figures.cpu):.1f} % of a core, the server {_middle(figures.server):.1f} %, "
        f"{_middle(figures.latency):.2f} s an execution"
    )


def _idle(host: psutil.Process, server: psutil.Process, figures: Figures, window: float) -> None:
    """Watch a host without work."""
    family = _family(host)
    before = _cpu(family), _cpu([server]), time.monotonic()
    time.sleep(window)
    took = time.monotonic() - before[2]
    figures.cpu.append(100 * (_cpu(family) - before[0]) / took)
    figures.server.append(100 * (_cpu([server]) - before[1]) / took)
    memory = [one.memory_full_info() for one in family]
    figures.rss.append(sum(one.rss for one in memory) / 2**20)
    figures.pss.append(sum(one.pss for one in memory) / 2**20)
    figures.processes = len(family)


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (one.cpu_times() for one in processes))


def _one(conductor: Conductor) -> Execution:
    """Run one execution alone; raises RuntimeError where it does not complete."""
    execution_id = conductor.start(WORKFLOW, {"n": 0})
    deadline = time.monotonic() + BOUND
    while not (execution := conductor.execution(execution_id, tasks=False)).status.terminal:
        if time.monotonic() > deadline:
            raise RuntimeError(f"execution {execution_id} is not worked on")
        time.sleep(0.1)
    if execution.output.get("n") != STEPS:
        raise RuntimeError(f"the work was not done: {execution.status} {dict(execution.output)}")
    return execution


def _seconds(execution: Execution) -> float:
    return execution.seconds or 0.0


def _load(conductor: Conductor, count: int, say: Callable[[str], None]) -> tuple[float, int]:
    """Start many executions; return the seconds from the first start to the last end, and how many were lost."""
    with ThreadPoolExecutor(STARTERS) as pool:
        ids = list(pool.map(lambda n: conductor.start(WORKFLOW, {"n": 0}, correlation_id=f"load-{n}"), range(count)))
    began = moved = time.monotonic()
    ended: dict[str, Execution] = {}
    while len(ended) < count and time.monotonic() < began + BOUND and time.monotonic() < moved + STALLED:
        time.sleep(2)
        running = {one.id for one in conductor.find(status=ExecutionStatus.RUNNING, name=WORKFLOW, size=2 * count)}
        for one in ids:
            if one not in running and one not in ended:
                execution = conductor.execution(one, tasks=False)
                if execution.status.terminal:
                    ended[one] = execution
                    moved = time.monotonic()
    good = [one for one in ended.values() if one.output.get("n") == STEPS]
    if lost := [one for one in ids if one not in {execution.id for execution in good}]:
        say(f"lost: {', '.join(lost[:5])}")
        conductor.terminate_many(lost, "lost")
    starts = [one.started_at for one in good if one.started_at]
    ends = [one.ended_at for one in good if one.ended_at]
    return ((max(ends) - min(starts)).total_seconds() if good else BOUND), len(lost)


def note() -> str:
    """Say what was measured, and name the peers as they are installed."""
    node = subprocess.run(
        [str(peers.javascript_sdk().program), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return (
        f"Worker hosts serve {TYPES} task types, one host after the other on one warm server, up to {CONCURRENCY} tasks"
        f" of a type at once and otherwise at their defaults: two looks of {WINDOW / 2:.0f} s without work, executions"
        f" one by one, and {LOAD} at once, of which those count as lost that have not completed {BOUND:.0f} s later or"
        f" {STALLED:.0f} s after the last one that has. Memory is the sum over a host's processes; PSS counts pages"
        f" that they share once. The peers are {peers.python_sdk().name} and {peers.javascript_sdk().name} on Node.js"
        f" {node}."
    )
