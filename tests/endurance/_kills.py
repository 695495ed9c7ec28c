"""Many executions while the worker host and the server are killed again and again: none lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks._measure import home
from k1nb import stack
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings, environment
from k1nb.errors import ConductorError, ConductorUnreachable, K1Error
from k1nb.stack._supervisor import Supervisor
from tests.endurance._effects import journal_of
from tests.endurance._page import Section

STEPS = 8
WORKFLOW = "endurance-steps"
NAMES = [f"endurance_{number}" for number in range(STEPS)]
OWNER = "dev@k1.reinvented"
STALLED = 600.0
"""Seconds without any effect after which the rest counts as lost."""
_LIMITS = {"ownerEmail": OWNER, "timeoutSeconds": 86_400, "timeoutPolicy": "TIME_OUT_WF"}
_TASK = {"retryCount": 20, "retryDelaySeconds": 1, "timeoutSeconds": 600, "responseTimeoutSeconds": 20}


@dataclass(slots=True)
class Killed:
    """One kill."""

    what: str
    at: float
    """Share of the work that was done then."""
    back: float = 0.0
    """Seconds until work went on."""


@dataclass
class Run:
    """Everything that one run knows."""

    settings: Settings
    count: int
    say: Callable[[str], None]
    ids: dict[str, str] = field(default_factory=dict)
    """Execution by its key."""
    kills: list[Killed] = field(default_factory=list)
    host: subprocess.Popen[bytes] | None = None

    @property
    def done(self) -> int:
        """How many effects there are."""
        return journal_of(self.settings).effects()

    def key(self, number: int) -> str:
        """Return the natural key of an intent."""
        return f"endurance:{number}"


def run(count: int, kills: int, say: Callable[[str], None]) -> Section:
    """Run so many executions with so many kills each of host and server, and tell what came of it."""
    with home() as settings:
        stack.up(settings, ["conductor"], say)
        with Conductor.from_settings(settings) as conductor:
            _define(conductor)
        this = Run(settings, count, say)
        began = time.monotonic()
        with _hosting(this):
            starter = threading.Thread(target=_start_all, args=(this,))
            starter.start()
            for number in range(2 * kills):
                _kill(this, "worker host" if number % 2 == 0 else "server", (number + 1) / (2 * kills + 1))
            starter.join()
            ended = _wait(this)
        return _section(this, ended, time.monotonic() - began)


def _define(conductor: Conductor) -> None:
    conductor.put_task_definitions([{**_LIMITS, **_TASK, "timeoutPolicy": "RETRY", "name": name} for name in NAMES])
    uses = []
    for number, name in enumerate(NAMES):
        source = f"${{s{number - 1}.output.n}}" if number else "${workflow.input.n}"
        use = {"name": name, "taskReferenceName": f"s{number}", "type": "SIMPLE"}
        uses.append({**use, "inputParameters": {"n": source}})
    outputs = {"n": f"${{s{STEPS - 1}.output.n}}"}
    whole = {**_LIMITS, "name": WORKFLOW, "version": 1, "schemaVersion": 2}
    conductor.put_workflow_definition({**whole, "tasks": uses, "outputParameters": outputs})


@contextmanager
def _hosting(this: Run) -> Iterator[None]:
    """Keep a worker host running, as supervisor would, and end it."""
    over = threading.Event()

    def keep() -> None:
        while not over.is_set():
            with (this.settings.home / "host.log").open("ab") as log:
                this.host = subprocess.Popen(
                    [sys.executable, "-m", "tests.endurance._effects", *NAMES],
                    env=environment(this.settings),
                    stdout=log,
                    stderr=log,
                )
                this.host.wait()
            over.wait(0.5)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        while keeper.is_alive():
            if this.host is not None:
                this.host.terminate()
            keeper.join(1)


def _start_all(this: Run) -> None:
    """Start every execution once, asking by its key before each try."""
    with Conductor.from_settings(this.settings) as conductor:
        for number in range(this.count):
            key = this.key(number)
            while key not in this.ids:
                with suppress(ConductorError):
                    known = conductor.correlated(WORKFLOW, key)
                    this.ids[key] = known[0].id if known else _start(conductor, key)
                    break
                time.sleep(0.5)


def _start(conductor: Conductor, key: str) -> str:
    return conductor.start(WORKFLOW, {"n": 0}, correlation_id=key)


def _kill(this: Run, what: str, share: float) -> None:
    """Kill -9 once so much of the work is done, and wait until it goes on."""
    moved = time.monotonic()
    before = -1
    while (done := this.done) < share * this.count * STEPS:
        if done != before:
            before, moved = done, time.monotonic()
        if time.monotonic() - moved > STALLED:
            return
        time.sleep(0.2)
    kill = Killed(what, done / (this.count * STEPS))
    os.kill(_pid(this, what), signal.SIGKILL)
    killed = time.monotonic()
    done = this.done
    while this.done <= done + 4 and time.monotonic() - killed < STALLED:
        time.sleep(0.1)
    kill.back = time.monotonic() - killed
    this.kills.append(kill)
    this.say(f"killed the {what} at {kill.at:.0%}; work went on after {kill.back:.1f} s")


def _pid(this: Run, what: str) -> int:
    if what == "server":
        supervisor = Supervisor(this.settings.paths, this.settings.timings)
        while True:
            with suppress(K1Error):
                if pid := supervisor.process("conductor").pid:
                    return pid
            time.sleep(0.2)
    while this.host is None or this.host.poll() is not None:
        time.sleep(0.1)
    return this.host.pid


def _wait(this: Run) -> dict[str, Execution]:
    """Return the executions as they are once all have ended, or once nothing moves any more."""
    ended: dict[str, Execution] = {}
    moved, before = time.monotonic(), -1
    with Conductor.from_settings(this.settings) as conductor:
        while len(ended) < len(this.ids) and time.monotonic() - moved < STALLED:
            with suppress(ConductorUnreachable):
                running = {e.id for e in conductor.find(status=ExecutionStatus.RUNNING, name=WORKFLOW, size=5000)}
                for key, one in this.ids.items():
                    if key not in ended and one not in running:
                        execution = conductor.execution(one, tasks=False)
                        if execution.status.terminal:
                            ended[key] = execution
            if (done := this.done + len(ended)) != before:
                before, moved = done, time.monotonic()
            time.sleep(2)
    return ended


def _section(this: Run, ended: dict[str, Execution], seconds: float) -> Section:
    journal = journal_of(this.settings)
    with Conductor.from_settings(this.settings) as conductor:
        several = sum(len(conductor.correlated(WORKFLOW, key)) != 1 for key in map(this.key, range(this.count)))
    completed = sum(one.status is ExecutionStatus.COMPLETED and one.output.get("n") == STEPS for one in ended.values())
    effects, twice, again = journal.effects(), journal.twice(), journal.again()
    kills = {what: [kill for kill in this.kills if kill.what == what] for what in ("worker host", "server")}
    wrong = [
        f"{this.count - completed} executions did not complete{_why(ended)}" if completed != this.count else "",
        f"{several} intents were started never or more than once" if several else "",
        f"{effects} effects instead of {this.count * STEPS}" if effects != this.count * STEPS else "",
        f"{twice} effects happened twice" if twice else "",
    ]
    rows = [
        ("executions", f"{this.count} of {STEPS} tasks each"),
        ("completed", f"{completed}"),
        ("intents started more or less than once", f"{several}"),
        ("effects", f"{effects}, {twice} of them twice"),
        ("task functions begun again, without a second effect", f"{again}"),
        ("took", f"{seconds:.0f} s, {effects / seconds:.1f} tasks/s, kills included"),
    ]
    for what, those in kills.items():
        back = ", ".join(f"{kill.back:.1f}" for kill in those)
        rows.append((f"kill -9 of the {what}", f"{len(those)} times; seconds until work went on: {back}"))
    return Section("Kills", "", tuple(rows), tuple(filter(None, wrong)))


def _why(ended: Mapping[str, Execution]) -> str:
    """Return how executions ended that did not complete, each way once."""
    ways = {
        f"{one.status.value}, {one.reason}" for one in ended.values() if one.status is not ExecutionStatus.COMPLETED
    }
    return f" ({'; '.join(sorted(ways))})" if ways else ""
