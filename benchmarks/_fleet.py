"""The worker host's memory while a fleet is flashed at once: shipped workflow, real transfers, simulated devices."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx
import psutil

from benchmarks._image import SIZE, image
from benchmarks._measure import Row, home, k1nb
from k1nb import stack
from k1nb._http import free_port
from k1nb.conductor import Conductor, Execution, ExecutionStatus, apply_definitions, load, plan_definitions
from k1nb.config import Settings, environment
from k1nb.device import Device, Inventory
from k1nb.firmware import Artifact, ArtifactStore

DEVICES = 50
LIMIT = 150.0
"""MB that the worker host may take."""
WORKFLOW = "device-deployment"
BOUND = 600.0
"""Seconds after which a deployment counts as lost."""
LOOK = 0.02


@dataclass(slots=True)
class Watched:
    """What was seen of the worker host; bytes."""

    before: int
    most: int = 0
    transfers: int = 0
    """The most connections with devices at one moment."""


def rows(say: Callable[[str], None], devices: int = DEVICES) -> list[Row]:
    """Deploy to every device at once and return the most memory that the worker host took."""
    with home() as settings:
        ports = _ports()
        fleet = [Inventory(settings.paths).add(_device(number, ports)) for number in range(devices)]
        artifact = _stored(settings)
        stack.up(settings, ["conductor"], say)
        with Conductor.from_settings(settings) as conductor:
            plan = plan_definitions(load(), conductor.task_definitions(), conductor.workflow_definitions())
            apply_definitions(conductor, load(), plan)
            simulate = k1nb("device", "simulate", *(device.name for device in fleet))
            with _running(settings, simulate), _running(settings, k1nb("workers")) as host:
                _until_up(fleet)
                watched = _deploy(conductor, host, fleet, artifact)
        say(
            f"{devices} deployments: {watched.before / 1e6:.0f} MB before, {watched.most / 1e6:.0f} MB at most, "
            f"up to {watched.transfers} transfers at once"
        )
    what = f"worker host's memory while {devices} devices are flashed, {watched.transfers} at one moment, RSS"
    return [Row("ota", what, "MB", [watched.most / 1e6], aim=LIMIT)]


def _ports() -> Iterator[int]:
    """Yield free ports, none twice."""
    given: set[int] = set()
    while True:
        if (port := free_port()) not in given:
            given.add(port)
            yield port


def _device(number: int, ports: Iterator[int]) -> Device:
    mac = f"02:4B:31:00:01:{number:02X}"
    return Device(f"d{number:02}", mac, "127.0.0.1", next(ports), next(ports), kind="simulator")


def _stored(settings: Settings) -> Artifact:
    file = settings.home / "firmware.bin"
    file.write_bytes(image(SIZE))
    return ArtifactStore(settings.paths).put(file, version="0" * 40, environment="e", repo="r", branch="main")


@contextmanager
def _running(settings: Settings, command: Sequence[str]) -> Iterator[psutil.Process]:
    """Run a program, and end it afterwards."""
    with (settings.home / "programs.log").open("ab") as log:
        process = psutil.Popen(list(command), env=environment(settings), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            if process.is_running():
                process.kill()


def _until_up(fleet: Sequence[Device]) -> None:
    deadline = time.monotonic() + BOUND
    for device in fleet:
        while not _answers(device):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{device.label} does not come up")
            time.sleep(0.1)


def _answers(device: Device) -> bool:
    try:
        return httpx.get(f"{device.base_url}/k1nb/simulator/state", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _deploy(conductor: Conductor, host: psutil.Process, fleet: Sequence[Device], artifact: Artifact) -> Watched:
    """Start a deployment to each device, and watch the host until all have ended well; RuntimeError otherwise."""
    watched = Watched(before=host.memory_info().rss)
    ids = [conductor.start(WORKFLOW, {"device": device.name, "artifact_id": artifact.id}) for device in fleet]
    deadline, asked = time.monotonic() + BOUND, 0.0
    left: list[Execution] = []
    while time.monotonic() < deadline:
        watched.most = max(watched.most, host.memory_info().rss)
        watched.transfers = max(watched.transfers, _transfers(host, fleet))
        if time.monotonic() - asked > 2:
            asked = time.monotonic()
            left = [one for one in (conductor.execution(id_, tasks=False) for id_ in ids) if not one.status.terminal]
            if not left:
                break
        time.sleep(LOOK)
    ended = [conductor.execution(id_, tasks=False) for id_ in ids]
    bad = [one for one in ended if one.status is not ExecutionStatus.COMPLETED]
    if bad:
        raise RuntimeError(f"{len(bad)} deployments failed: {bad[0].reason}")
    return watched


def _transfers(host: psutil.Process, fleet: Sequence[Device]) -> int:
    """Count the connections by which devices fetch images: those that came to a port of the host."""
    known = {device.http_port for device in fleet}
    found = host.net_connections(kind="tcp4")
    listening = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
    return sum(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port in listening and one.raddr.port not in known
        for one in found
    )
