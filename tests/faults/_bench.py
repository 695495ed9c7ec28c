"""The bench of the fault matrix: a stack, a sample repository and a simulated device, all of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from k1nb import delivery, stack
from k1nb.conductor import (
    Conductor,
    Definitions,
    Execution,
    Task,
    apply_definitions,
    load,
    plan_definitions,
)
from k1nb.config import Settings, environment
from k1nb.device import Device, Inventory
from k1nb.errors import ConductorError, K1Error
from k1nb.firmware import (
    SAMPLE_PROJECT,
    ArtifactStore,
    Commit,
    Ledger,
    Outcome,
    commit_change,
    ensure_sample_repository,
)
from k1nb.paths import share
from k1nb.stack._supervisor import Supervisor

BENCH, MAC = "bench", "02:4B:31:00:00:03"
ENVIRONMENT = "esp32-s3-devkitc-1"
VERSION_FILE = "firmware/include/version.h"
MAIN, HEALTH = CHANGED = ("firmware/src/main.c", "firmware/include/health.h")
"""The source files that a commit may have otherwise."""
Change = Callable[[str], str]
"""From a source file's good text to the text that a commit has."""


@dataclass(frozen=True)
class Seen:
    """How one delivery ended, as everybody who knows of it tells."""

    commit: Commit
    record: Mapping[str, Any]
    """The run's record as `k1nb run --json` printed it; empty where it printed none."""
    exit_code: int
    execution: Execution
    children: tuple[Execution, ...]
    delivered: delivery.Delivery
    flashes: int
    """Images that the device accepted completely meanwhile."""
    good_before: str | None
    good_after: str | None
    """Artifact that the ledger calls last good."""
    lost: tuple[str, ...]
    seconds: float

    @property
    def verdict(self) -> str:
        return str(self.record.get("verdict", "none"))

    def child(self, name: str) -> Execution | None:
        return next((child for child in self.children if child.name == name), None)

    def attempts(self, reference: str) -> list[Task]:
        """Return every attempt at a task, in the pipeline or below it."""
        return [t for e in (self.execution, *self.children) for t in e.tasks if t.reference == reference]


@dataclass
class Bench:
    """Everything one row of the matrix needs; nothing outside of its home is touched.

    The simulated device is a child of the matrix and no service of the stack, so that it can be given faults.
    """

    settings: Settings
    delays: float = 0.02
    """Factor on the pauses before retries of the shipped task definitions."""
    leases: float = 1.0
    """Factor on their response timeouts."""
    commits: int = field(default_factory=lambda: int(time.time()))
    simulator: subprocess.Popen[bytes] | None = None
    device_faults: tuple[str, ...] = ()

    @property
    def device(self) -> Device:
        return Inventory(self.settings.paths).get(BENCH)

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.settings.paths, self.settings.timings)

    @property
    def patient(self) -> Settings:
        """The settings for starting the server, which no scale makes faster."""
        return self.settings.model_copy(update={"timings_scale": 2.0})

    def up(self) -> None:
        """Do what `k1nb up` does for Conductor and workers, and register the scaled definitions over the shipped."""
        stack.up(self.patient, ["conductor"])
        stack.up(self.settings, ["workers"])
        self.define()

    def define(self) -> None:
        """Register the scaled definitions."""
        scaled = _scaled(load(), self.delays, self.leases)
        with Conductor.from_settings(self.settings) as server:
            plan = plan_definitions(scaled, server.task_definitions(), server.workflow_definitions())
            apply_definitions(server, scaled, plan)

    def down(self) -> list[str]:
        """End everything and tell what is still there: processes of ours, ports that are taken."""
        self.switch_off()
        stack.down(self.patient)
        return self.strays() + self._taken()

    def switch_on(self, *faults: str, password: str = "") -> None:
        """Have the simulated device running with these faults, as a process that alone knows the password."""
        if self.simulator is not None and self.simulator.poll() is None and self.device_faults == (*faults, password):
            return
        self.switch_off()
        words = [word for fault in faults for word in ("--fault", fault)]
        words += ["--ota-auth", "md5"] if password else []
        log = self.settings.home / "simulator.log"
        with log.open("ab") as output:
            self.simulator = subprocess.Popen(
                [sys.executable, "-m", "k1nb", "device", "simulate", BENCH, *words],
                env=environment(self.settings) | ({"K1NB_OTA_PASSWORD": password} if password else {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.device_faults = (*faults, password)
        self._await(lambda: not _udp_free(self.device.ota_port) and self._serves(faults), f"simulator {faults}", log)

    def _serves(self, faults: Sequence[str]) -> bool:
        if self.simulator is not None and self.simulator.poll() is not None:
            raise RuntimeError(f"the simulator with {faults} ended by itself: see {self.settings.home}/simulator.log")
        return any(fault.startswith("http-dead") for fault in faults) or self._state() is not None

    def switch_off(self) -> None:
        """End the simulated device; its flash stays."""
        if self.simulator is not None:
            self.simulator.terminate()
            try:
                self.simulator.wait(10)
            except subprocess.TimeoutExpired:
                self.simulator.kill()
                self.simulator.wait()
            self.simulator = None

    def _state(self) -> dict[str, Any] | None:
        try:
            answer = httpx.get(f"{self.device.base_url}/k1nb/simulator/state", trust_env=False, timeout=2)
            return dict(answer.json())
        except (httpx.HTTPError, ValueError):
            return None

    @property
    def flashes(self) -> int:
        """Return how many images the device has accepted completely, as its flash says."""
        file = self.settings.paths.simulators / BENCH / "otadata.json"
        return int(json.loads(file.read_text())["flashes_completed"]) if file.exists() else 0

    @property
    def running(self) -> str | None:
        """Return the sha256 of what the device runs, asked of itself; None where it does not answer."""
        state = self._state()
        return str(state["running"]) if state else None

    @property
    def last_good(self) -> str | None:
        row = Ledger(self.settings.paths).last_good(MAC)
        return row.artifact_id if row else None

    def commit(self, subject: str, changes: Mapping[str, Change]) -> Commit:
        """Commit the sample firmware with these changes to its good state, and a new version."""
        repository = ensure_sample_repository(self.settings.paths)
        self.commits += 1
        shipped = share("data") / "sample-firmware"
        good = {name: (shipped / name).read_text() for name in CHANGED}
        texts = good | {name: change(good[name]) for name, change in changes.items()}
        version = (repository.path / VERSION_FILE).read_text()
        head, _, rest = version.partition('#define FIRMWARE_VERSION "')
        texts[VERSION_FILE] = f'{head}#define FIRMWARE_VERSION "2.0.{self.commits}"{rest.partition(chr(34))[2]}'
        return commit_change(repository, subject, texts)

    def begin(self, subject: str, changes: Mapping[str, Change] | None = None) -> Going:
        """Commit, and start `k1nb run firmware_deploy` with consent to the plan for that commit."""
        going = self.deliver(self.commit(subject, changes or {}))
        if going is None:
            raise RuntimeError(f"nothing is planned for a fresh commit: {subject}")
        return going

    def deliver(self, commit: Commit) -> Going | None:
        """Start `k1nb run firmware_deploy` with consent to the plan for a commit; None where nothing is planned."""
        facts = delivery.observe(
            self.settings,
            repo=SAMPLE_PROJECT,
            branch="main",
            commit_sha=commit.sha,
            environment=ENVIRONMENT,
            device=BENCH,
        )
        plan = delivery.plan(facts)
        if not plan.steps:
            return None
        words = [f"repo={SAMPLE_PROJECT}", "branch=main", f"commit_sha={commit.sha}", f"device={BENCH}"]
        parameters = [word for pair in words for word in ("-p", pair)]
        output = self.settings.home / f"run-{time.monotonic_ns()}.json"
        known = self._known(facts.key)
        began = time.monotonic()
        with output.open("wb") as stdout, output.with_suffix(".log").open("wb") as stderr:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "k1nb", "run", "firmware_deploy", "--json"),
                    *parameters,
                    *("--apply", plan.id),
                ],
                env=environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Going(self, commit, facts.key, process, output, began, self.flashes, self.last_good, known)

    def _known(self, key: str) -> frozenset[str]:
        """Return the executions that an earlier delivery of the same started."""
        with Conductor.from_settings(self.settings) as server:
            return frozenset(execution.id for execution in server.correlated(delivery.PIPELINE, key))

    def strays(self) -> list[str]:
        """Return the processes of this home that nobody keeps: neither supervisord nor the matrix itself."""
        kept = {os.getpid(), *(p.pid for p in psutil.Process().parents())}
        kept |= {p.pid for p in psutil.Process().children(recursive=True)}
        with suppress(K1Error, psutil.Error):
            keeper = psutil.Process(self.supervisor.pid())
            kept |= {keeper.pid, *(p.pid for p in keeper.children(recursive=True))}
        return [_named(p) for p in psutil.process_iter() if p.pid not in kept and _belongs(p, self.settings.home)]

    def _taken(self) -> list[str]:
        device = self.device
        tcp = [p for p in (self.settings.conductor_port, device.http_port) if not _tcp_free(p)]
        udp = [device.ota_port] if not _udp_free(device.ota_port) else []
        return [f"port {port} is taken" for port in tcp + udp]

    def _await(self, question: Callable[[], bool], what: str, log: Path, within: float = 60) -> None:
        deadline = time.monotonic() + within
        while not question():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} is not there after {within:.0f} s: {log.read_text()[-600:]}")
            time.sleep(0.05)


@dataclass
class Going:
    """A delivery on its way."""

    bench: Bench
    commit: Commit
    key: str
    process: subprocess.Popen[bytes]
    output: Path
    began: float
    flashes: int
    good: str | None
    before: frozenset[str] = frozenset()
    """Executions of an earlier delivery of the same."""
    execution_id: str = ""

    @contextmanager
    def _server(self) -> Iterator[Conductor]:
        with Conductor.from_settings(self.bench.settings) as server:
            yield server

    def watch(self, reached: Callable[[Mapping[str, Task]], bool], within: float = 180) -> bool:
        """Look at the delivery's tasks until they are so; False where it ended or the time is over before."""
        deadline = time.monotonic() + within
        with self._server() as server:
            while time.monotonic() < deadline:
                with suppress(ConductorError):
                    execution = self._found(server)
                    if execution is not None:
                        tasks = {t.reference: t for e in (execution, *server.children(execution)) for t in e.tasks}
                        if reached(tasks):
                            return True
                        if execution.status.terminal:
                            return False
                if not self.execution_id and self.process.poll() is not None:
                    return False
                time.sleep(0.01)
        return False

    def _found(self, server: Conductor) -> Execution | None:
        if not self.execution_id:
            known = server.correlated(delivery.PIPELINE, self.key)
            self.execution_id = next((execution.id for execution in known if execution.id not in self.before), "")
        return server.execution(self.execution_id) if self.execution_id else None

    def stands_still(self, within: float = 420) -> bool:
        """Wait for the execution to end; tell whether it has not, or nobody is left to ask, when the time is over."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with suppress(ConductorError), self._server() as server:
                execution = self._found(server)
                if execution is not None and execution.status.terminal:
                    return False
            time.sleep(0.2)
        return True

    def end(self, within: float = 420) -> Seen:
        """Wait for the run and the execution to end, and gather what is known."""
        try:
            exit_code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            exit_code = self.process.wait()
        execution, children = self._ended(within)
        with self._server() as server:
            delivered = delivery.delivery(server, execution)
        seen = Seen(
            commit=self.commit,
            record=_json(self.output),
            exit_code=exit_code,
            execution=execution,
            children=children,
            delivered=delivered,
            flashes=self.bench.flashes - self.flashes,
            good_before=self.good,
            good_after=self.bench.last_good,
            lost=(),
            seconds=time.monotonic() - self.began,
        )
        return Seen(**{**seen.__dict__, "lost": tuple(_lost(self.bench, seen))})

    def _ended(self, within: float) -> tuple[Execution, tuple[Execution, ...]]:
        with self._server() as server:
            deadline = time.monotonic() + within
            while True:
                with suppress(ConductorError):
                    execution = self._found(server)
                    if execution is None:
                        raise RuntimeError(
                            f"no execution for {self.key}: {self.output.with_suffix('.log').read_text()[-800:]}"
                        )
                    if execution.status.terminal or time.monotonic() > deadline:
                        return execution, tuple(server.children(execution))
                if time.monotonic() > deadline:
                    raise RuntimeError("Conductor does not answer any more")
                time.sleep(0.2)


def _lost(bench: Bench, seen: Seen) -> Iterator[str]:
    """Tell what should be there after a delivery and is not."""
    if not seen.execution.status.terminal:
        yield "the execution's end"
    folder = seen.record.get("folder")
    if not folder or not (Path(folder) / "manifest.json").exists():
        yield "the run's record"
    store, ledger = ArtifactStore(bench.settings.paths), Ledger(bench.settings.paths)
    try:
        for artifact in store.list():
            store.read(artifact)
        ledger.verify()
    except K1Error as error:
        yield error.message
    wanted = {Outcome.succeeded: seen.delivered.artifact_id, Outcome.rolled_back: seen.good_before}
    running, outcome = bench.running, seen.delivered.outcome
    if outcome in wanted and running != wanted[outcome]:
        yield f"the device runs {running}, not {wanted[outcome]}"


def _json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except ValueError:
        return {}


def _scaled(definitions: Definitions, delays: float, leases: float) -> Definitions:
    copies = definitions.with_delays(delays)
    tasks = {name: {**task, **_lease(task, leases)} for name, task in copies.tasks.items()}
    return Definitions(tasks, copies.workflows)


def _lease(task: Mapping[str, Any], factor: float) -> dict[str, int]:
    """Scale a response timeout, down to ten seconds: less, and a busy machine's own heartbeats come too late."""
    shipped = int(task["responseTimeoutSeconds"])
    return {"responseTimeoutSeconds": min(shipped, max(10, round(shipped * factor)))}


def _belongs(process: psutil.Process, home: Path) -> bool:
    """Tell whether a process was started for this home: by its environment, its words or its folder."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        known = (process.environ().get("K1NB_HOME", ""), *process.cmdline(), process.cwd())
    except (psutil.Error, OSError):
        return False
    return any(str(home) in text for text in known)


def _named(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"process {process.pid} is alive: {' '.join(process.cmdline())[:120]}"
    return f"process {process.pid} is alive"


def _tcp_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _binds(probe, port)


def _udp_free(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        return _binds(probe, port)


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
