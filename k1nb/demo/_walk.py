"""One commit of the sample firmware, from git to a simulated device to a record."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from k1nb import delivery, records, stack
from k1nb.device import Device, Inventory
from k1nb.errors import ServiceError, UnknownName, UsageError
from k1nb.firmware import SAMPLE_PROJECT, Commit, Grade, Outcome, commit_change, ensure_sample_repository

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.conductor import Execution
    from k1nb.config import Settings

DEVICE = "demo"
MAC = "02:4B:31:00:00:01"
"""Locally administered, so that no real device has it."""
ENVIRONMENT = "esp32-s3-devkitc-1"
BRANCH = "main"


@dataclass
class _Walk:
    """Prints what happens and keeps the time of each phase."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)
    said: str = ""
    execution: str = ""

    @contextmanager
    def phase(self, name: str, why: str) -> Iterator[None]:
        self.console.print(f"[bold]{name}[/bold]  {why}")
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started

    def say(self, text: str) -> None:
        if text != self.said:
            self.console.print(f"  {text}", style="dim", markup=False)
            self.said = text

    def follow(self, execution: Execution) -> None:
        """Say which task runs now."""
        self.execution = execution.id
        running = [task for task in execution.tasks if not task.status.terminal]
        if running:
            self.say(f"{running[-1].reference} …")


def run(settings: Settings, console: Console) -> bool:
    """Walk the whole line on the simulated device `demo` and no other; tell whether it ended well."""
    walk = _Walk(console)
    with walk.phase("prepare", "a simulated device and a git repository of sample firmware"):
        device = ensure_device(settings)
        repository = ensure_sample_repository(settings.paths)
        walk.say(f"{device.label}, {repository.path}")
    with walk.phase("start", "Conductor, the workers and the simulator, under supervisor"):
        stack.up(settings, on_progress=walk.say)
    with walk.phase("commit", "a change to the firmware"):
        commit = commit_change(repository)
        walk.say(f"{commit.sha[:12]} {commit.subject}")
    with walk.phase("deliver", "build, gate, store, send over the air, prove"):
        delivered = _deliver(settings, walk, device, commit)
    with walk.phase("check", "daily health of this device, as a notebook"):
        record = records.run_notebook(settings, "daily_health", {"device": DEVICE})
    _report(walk, delivered, record, settings)
    good = delivered.outcome is Outcome.succeeded and delivered.grade is Grade.IDENTIFIED
    return good and record.verdict.passes()


def ensure_device(settings: Settings) -> Device:
    """Return the simulated device `demo`, adding it to the inventory the first time.

    Raises UsageError where somebody gave that name to a real device.
    """
    inventory = Inventory(settings.paths)
    try:
        device = inventory.get(DEVICE)
    except UnknownName:
        http_port, ota_port = _free_ports()
        device = Device(DEVICE, MAC, "127.0.0.1", http_port, ota_port, "test", "simulator")
        inventory.add(device)
    if device.kind != "simulator":
        raise UsageError(
            f"{device.label} is no simulator", hint="rename that device: the demo needs the name for its own"
        )
    return device


def _free_ports() -> tuple[int, int]:
    """Return a TCP and a UDP port that are free now; the inventory keeps them from then on."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


def _deliver(settings: Settings, walk: _Walk, device: Device, commit: Commit) -> delivery.Delivery:
    facts = delivery.observe(
        settings,
        repo=SAMPLE_PROJECT,
        branch=BRANCH,
        commit_sha=commit.sha,
        environment=ENVIRONMENT,
        device=device.name,
    )
    plan = delivery.plan(facts)
    for step in plan.steps:
        walk.say(f"{plan.id}: {step.action} {step.subject} ({step.why})")
    # Asking for the demo is the consent: the plan touches the demo's own simulated device alone.
    try:
        delivered = delivery.apply(settings, facts, plan, consent=plan.id, on_change=walk.follow)
    except KeyboardInterrupt:
        if walk.execution:
            walk.say(f"the delivery goes on at the server: k1nb executions show {walk.execution}")
        raise
    if delivered is None:
        raise ServiceError(f"nothing was planned for a new commit on {device.label}", hint="k1nb device info demo")
    return delivered


def _report(walk: _Walk, delivered: delivery.Delivery, record: records.Record, settings: Settings) -> None:
    console = walk.console
    console.print()
    console.print(f"verdict   [bold]{record.verdict}[/bold] of daily_health")
    console.print(f"delivery  [bold]{delivered.outcome}[/bold], grade [bold]{delivered.grade.name}[/bold]")
    for line in delivered.evidence:
        console.print(f"          {line}", markup=False)
    console.print(f"artifact  sha256 {delivered.artifact_id or 'none'}")
    console.print(f"record    {record.folder}", soft_wrap=True)
    total = sum(walk.seconds.values())
    console.print(f"time      {total:.1f} s: " + ", ".join(f"{n} {s:.1f}" for n, s in walk.seconds.items()))
    console.print()
    console.print("The stack goes on running. What to do next:")
    program = "k1nb" if shutil.which("k1nb") else Path(sys.executable).with_name("k1nb")
    for command, why in (
        ("k1nb status", "what runs, and where"),
        (f"k1nb executions show {delivered.execution.id}", "how the delivery went"),
        ("k1nb device info demo", "how the device is"),
        ("k1nb records show " + record.id, "the record just made"),
        ("k1nb run daily_health", "the daily check again"),
        ("k1nb down", "stop everything"),
    ):
        console.print(f"  {program}{command.removeprefix('k1nb')}  [dim]# {why}[/dim]", soft_wrap=True)
    console.print(f"State is under {settings.home}", style="dim", soft_wrap=True)
