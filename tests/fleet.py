"""A fleet of simulated devices with a stack of its own, for tests of rollouts: real server, worker host and sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx

from k1nb import stack
from k1nb.conductor import Conductor, apply_definitions, load, plan_definitions
from k1nb.config import Settings, environment
from k1nb.delivery import rollout
from k1nb.delivery.rollout import Policy, Progress, RolloutFacts, Selection
from k1nb.device import Device, Inventory
from k1nb.errors import ConductorError, K1Error, UnknownName
from k1nb.firmware import Artifact, ArtifactStore
from k1nb.paths import Paths
from k1nb.plan import Plan
from k1nb.stack._supervisor import Supervisor
from tests.device import _images

PAUSES = 0.02
"""Factor on the pauses before retries of the shipped task definitions."""
RESTARTS = 0.05
"""Factor on how long a device is away when it restarts: who waits for it doubles its pauses."""


@dataclass
class Fleet:
    """Simulated devices, as processes of their own, and their stack; nothing outside its home is touched."""

    settings: Settings
    devices: list[Device]
    patience: float = 180.0
    """Seconds that a rollout may take for what is waited for."""
    simulators: dict[tuple[str, ...], subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def paths(self) -> Paths:
        """The folders of the fleet's home."""
        return self.settings.paths

    @contextmanager
    def up(self) -> Iterator[None]:
        """Have server and worker host run, with quick retries, and end everything at the end."""
        patient = self.settings.model_copy(update={"timings_scale": 1.0})
        try:
            stack.up(patient, ["conductor"])
            self._define()
            stack.up(self.settings, ["workers"])
            yield
        finally:
            self.switch_off()
            stack.down(patient)

    def _define(self) -> None:
        quick = load().with_delays(PAUSES)
        with self.conductor() as server:
            plan = plan_definitions(quick, server.task_definitions(), server.workflow_definitions())
            apply_definitions(server, quick, plan)

    def conductor(self) -> Conductor:
        """Return a client of the fleet's server."""
        return Conductor.from_settings(self.settings)

    def switch_on(self, faults: Mapping[str, str] | None = None, off: Iterable[str] = ()) -> None:
        """Have every device run but those that are `off`, each with its fault, if `faults` names one for it."""
        self.switch_off()
        groups: dict[tuple[str, ...], list[str]] = {}
        for device in self.devices:
            if device.name not in off:
                fault = (faults or {}).get(device.name)
                groups.setdefault((fault,) if fault else (), []).append(device.name)
        for words, names in groups.items():
            self._simulate(names, words)
        for device in self.devices:
            if device.name not in off:
                until(lambda device=device: self.state(device.name) is not None, f"{device.name} is up")  # type: ignore[misc]

    def _simulate(self, names: list[str], faults: tuple[str, ...]) -> None:
        words = [word for fault in faults for word in ("--fault", fault)]
        with (self.settings.home / "simulator.log").open("ab") as log:
            self.simulators[(*faults, *names)] = subprocess.Popen(
                [sys.executable, "-m", "k1nb", "device", "simulate", *names, *words],
                env=environment(self.settings, K1NB_TIMINGS_SCALE=str(RESTARTS)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def also_on(self, name: str) -> None:
        """Switch one more device on."""
        self._simulate([name], ())
        until(lambda: self.state(name) is not None, f"{name} is up")

    def switch_off(self, *names: str) -> None:
        """End the devices, or the processes that these are in; their flash stays."""
        for key, process in list(self.simulators.items()):
            if not names or set(names) & set(key):
                process.terminate()
                process.wait(20)
                del self.simulators[key]

    def state(self, name: str) -> dict[str, object] | None:
        """Return what a simulated device counts; None where it does not answer."""
        device = Inventory(self.paths).get(name)
        try:
            answer = httpx.get(f"{device.base_url}/k1nb/simulator/state", trust_env=False, timeout=5)
            return dict(answer.json())
        except (httpx.HTTPError, ValueError):
            return None

    def flashes(self) -> dict[str, int]:
        """Return how many images each device has accepted, as its flash says."""
        found = {}
        for device in self.devices:
            file = self.paths.simulators / device.name / "otadata.json"
            found[device.name] = int(json.loads(file.read_text())["flashes_completed"]) if file.exists() else 0
        return found

    def running(self) -> dict[str, str]:
        """Return the image that each device runs, by the name that its flash gives it."""
        return {device.name: str((self.state(device.name) or {}).get("running")) for device in self.devices}

    def artifact(self, number: int, **health: float | str) -> Artifact:
        """Store an image; those of two numbers differ in their bytes alone, `health` is what it makes of a device."""
        stamp = f"k1-{number:012x}"
        file = self.settings.home / f"{stamp}.bin"
        file.write_bytes(_images.sample(stamp, seed=number, **health))
        store = ArtifactStore(self.paths)
        return store.put(file, version=f"{number:040x}", environment="e", repo="r", branch="main", stamp=stamp)

    def plan(self, artifact: Artifact, policy: Policy, selection: Selection | None = None) -> Planned:
        """Observe and plan a rollout."""
        facts = rollout.observe(self.settings, artifact.id, selection)
        return Planned(self, facts, *rollout.plan(facts, policy))

    def pid(self, service: str) -> int:
        """Return the process of a service, once it has one."""
        supervisor = Supervisor(self.paths, self.settings.timings)
        while True:
            with suppress(K1Error):
                if pid := supervisor.process(service).pid:
                    return pid
            time.sleep(0.1)

    def kill(self, service: str) -> None:
        """Kill a service's process at once; whoever keeps it starts it again."""
        os.kill(self.pid(service), signal.SIGKILL)


@dataclass(frozen=True)
class Planned:
    """A rollout that was planned."""

    fleet: Fleet
    facts: RolloutFacts
    rollout: rollout.Rollout
    plan: Plan

    def apply(self, *, follow_it: bool = True) -> Progress:
        """Consent to it and follow it to its end."""
        done = rollout.apply(
            self.fleet.settings, self.facts, self.rollout, self.plan, consent=self.plan.id, follow_it=follow_it
        )
        assert done is not None
        return done

    def now(self) -> Progress:
        """Return how it stands; a server that is being restarted is waited for, and so is the rollout's begin."""
        deadline = time.monotonic() + self.fleet.patience
        while True:
            try:
                with self.fleet.conductor() as conductor:
                    return rollout.read(conductor, self.rollout.id)
            except (ConductorError, UnknownName):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def states(self) -> dict[str, str]:
        """Return the state of each device by its name."""
        progress = self.now()
        return {device.name: progress.state(device).state.value for device in progress.rollout.devices}

    def until(self, fits: Callable[[Progress], bool], what: str) -> Progress:
        """Wait until it stands as wanted."""
        deadline = time.monotonic() + self.fleet.patience
        while not fits(progress := self.now()):
            assert time.monotonic() < deadline, f"not {what}: {progress.as_dict()}"
            time.sleep(0.2)
        return progress


def until(question: Callable[[], bool], what: str, within: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not question():
        assert time.monotonic() < deadline, f"{what}: not within {within:.0f} s"
        time.sleep(0.05)


def some_devices(count: int, port: Callable[[], int], role: str = "test") -> list[Device]:
    """Return inventory entries of so many simulated devices."""
    return [
        Device(
            f"sim-{number:02}",
            f"02:4B:31:10:00:{number:02X}",
            "127.0.0.1",
            port(),
            port(),
            role="production" if role == "production" else "test",
            kind="simulator",
        )
        for number in range(count)
    ]


def fleet_of(settings: Settings, devices: list[Device]) -> Fleet:
    """Put devices into a home's inventory."""
    for device in devices:
        Inventory(settings.paths).add(device)
    return Fleet(settings, devices)
