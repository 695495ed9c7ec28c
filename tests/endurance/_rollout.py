"""Rollouts over a large fleet: one bad canary, a few flaky devices, and kills of everything in the middle of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._measure import home
from k1nb import show
from k1nb._http import free_port
from k1nb.config import environment, load
from k1nb.delivery.rollout import Policy, Progress, Standing
from k1nb.device import Device
from k1nb.firmware import Ledger
from k1nb.paths import write_text
from tests.endurance._page import Section
from tests.fleet import Fleet, Planned, fleet_of, some_devices

SCALE = 0.2
PARALLEL = 8
POLICY = Policy(waves="1, 10%, 30%", soak_seconds=2, parallel=PARALLEL)
FLAKY = ("cut=50", "boots-old", "never-returns")
"""How the flaky devices are: no image ever comes through, the old one boots again, they do not come back."""
LONG = 1800.0
"""Seconds after which a rollout counts as stuck."""
STATES = ("succeeded", "current", "failed", "pending", "not_reached")


@dataclass
class Run:
    """Everything that the runs know."""

    fleet: Fleet
    say: Callable[[str], None]
    rows: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def hold(self, what: str, seen: object, wanted: object) -> None:
        """Note what is not as it must be."""
        if seen != wanted:
            self.wrong.append(f"{what}: {seen}, not {wanted}")

    def grown(self, before: Mapping[str, int]) -> dict[str, int]:
        """Return how many images each device has accepted since."""
        return {name: count - before[name] for name, count in self.fleet.flashes().items()}


def run(devices: int, figure: Path, say: Callable[[str], None]) -> Section:
    """Roll three images out to a fleet, and tell what came of it."""
    with home() as bare:
        file = bare.paths.settings_file
        write_text(file, f"{file.read_text(encoding='utf-8')}timings_scale = {SCALE}\nrollout_parallel = {PARALLEL}\n")
        fleet = fleet_of(load(), some_devices(devices, free_port))
        fleet.patience = LONG
        this = Run(fleet, say)
        with fleet.up():
            fleet.switch_on()
            say(f"{devices} devices are up")
            _killed(this)
            _bad_canary(this)
            flaky = _flaky(this)
        show.fleet(flaky).savefig(figure, metadata={"Date": None})
    about = f"{devices} devices, {PARALLEL} at once, waves {POLICY.waves}, waits × {SCALE:g}"
    return Section("Rollouts", figure.name, (("fleet", about), *this.rows), tuple(this.wrong))


def _killed(this: Run) -> None:
    """Kill the command line, the worker host and the server in the middle of a rollout, and ask for it again."""
    fleet, began = this.fleet, time.monotonic()
    artifact, before, most = fleet.artifact(1), fleet.flashes(), 0
    planned = fleet.plan(artifact, POLICY)
    command = _apply(planned)
    quarter = max(len(fleet.devices) // 4, 1)
    kills: dict[str, Callable[[], None]] = {
        "command line": lambda: os.kill(command.pid, signal.SIGKILL),
        "worker host": lambda: fleet.kill("workers"),
        "server": lambda: fleet.kill("conductor"),
    }
    for share, (name, kill) in enumerate(kills.items(), 1):
        most = max(most, _watch(planned, share * quarter))
        kill()
        this.say(f"killed the {name} at {_good(planned.now())} of {len(fleet.devices)}")
    command.wait(60)
    again = _apply(planned)
    most = max(most, _watch(planned, len(fleet.devices)))
    planned.until(lambda now: now.standing.ended, "ended")
    done = planned.now()
    this.hold("the killed rollout", done.standing, Standing.COMPLETED)
    this.hold("exit code of the command that joined it", again.wait(60), 0)
    this.hold("flashes of the killed rollout", set(this.grown(before).values()), {1})
    if most > PARALLEL:
        this.wrong.append(f"{most} devices at once, {PARALLEL} were allowed")
    this.rows.append(
        (
            "killed in the middle",
            f"command line, worker host and server by `kill -9`: {_said(done)}, each device flashed once, at most "
            f"{most} at once, {time.monotonic() - began:.0f} s",
        )
    )


def _bad_canary(this: Run) -> None:
    """Roll out an image that is unhealthy; it differs from a good one in its bytes alone."""
    fleet, before, began = this.fleet, this.fleet.flashes(), time.monotonic()
    good = fleet.running()
    done = fleet.plan(fleet.artifact(2, fps=11.0), POLICY).apply()
    canary = done.rollout.waves[0][0]
    this.hold("the rollout of the bad image", done.standing, Standing.STOPPED)
    this.hold("outcome of the bad canary", done.state(canary).outcome, "rolled_back")
    touched = {name: count for name, count in this.grown(before).items() if count}
    this.hold("flashes of the bad image", touched, {canary.name: 2})
    this.hold("what the devices run afterwards", fleet.running(), good)
    this.rows.append(
        (
            "one bad canary",
            f"{_said(done)}; the canary is back on its last good image, no other device was flashed, "
            f"{time.monotonic() - began:.0f} s",
        )
    )


def _flaky(this: Run) -> Progress:
    """Roll a good image out to a fleet with three flaky devices, one in the third wave and two in the last."""
    fleet = this.fleet
    planned = fleet.plan(fleet.artifact(3), POLICY)
    *_, third, last = planned.rollout.waves
    names = [third[0].name, last[0].name, last[len(last) // 2].name]
    fleet.switch_on(dict(zip(names, FLAKY, strict=True)))
    before, began = fleet.flashes(), time.monotonic()
    done = planned.apply()
    failed = sorted(d.name for d in done.rollout.devices if done.state(d).state == "failed")
    this.hold("the rollout with flaky devices", done.standing, Standing.COMPLETED)
    this.hold("failed devices", failed, sorted(names))
    grown = {count for name, count in this.grown(before).items() if name not in names}
    this.hold("flashes of the others", grown, {1})
    ledger = Ledger(fleet.paths)
    lost = [d.name for d in fleet.devices if ledger.last_good(d.mac) is None]
    this.hold("devices without a last good artifact", lost, [])
    outcomes = ", ".join(f"{f}: {done.state(_device(done, n)).outcome}" for n, f in zip(names, FLAKY, strict=True))
    this.rows.append(
        ("three flaky devices", f"{_said(done)}; {outcomes}; the others flashed once, {time.monotonic() - began:.0f} s")
    )
    return done


def _device(progress: Progress, name: str) -> Device:
    return next(device for device in progress.rollout.devices if device.name == name)


def _apply(planned: Planned) -> subprocess.Popen[bytes]:
    """Start the command that an operator would; asked for again, it joins what is under way."""
    words = ("--waves", POLICY.waves, "--soak", f"{POLICY.soak_seconds:g}", "--apply", planned.plan.id, "--follow")
    settings = planned.fleet.settings
    with (settings.home / "apply.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "k1nb", "rollout", "apply", planned.rollout.artifact_id, *words],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _watch(planned: Planned, least: int) -> int:
    """Wait until so many devices run the image or it has ended; return how many were under way at once at most."""
    most = 0

    def look(now: Progress) -> bool:
        nonlocal most
        most = max(most, now.counts().get("running", 0))
        return _good(now) >= least or now.standing.ended

    planned.until(look, f"on {least} devices")
    return most


def _good(progress: Progress) -> int:
    return sum(count for state, count in progress.counts().items() if state in ("succeeded", "current"))


def _said(progress: Progress) -> str:
    counts = progress.counts()
    return f"{progress.standing.value}: " + ", ".join(f"{counts[s]} {s}" for s in STATES if s in counts).replace(
        "_", " "
    )
