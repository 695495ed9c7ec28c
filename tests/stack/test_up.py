"""`up` and `down` with the services they are for."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from k1nb import stack
from k1nb.checks import Status
from k1nb.conductor import Conductor
from k1nb.config import Settings, environment
from k1nb.device import Device, Inventory
from k1nb.errors import PortTaken
from k1nb.stack import ServiceStatus
from k1nb.stack._processes import left_over
from k1nb.stack._supervisor import Supervisor
from tests.stack.conftest import alive, await_true

K1NB = [sys.executable, "-m", "k1nb"]


def of(settings: Settings, name: str) -> ServiceStatus:
    """Return one service's status."""
    return next(seen for seen in stack.status(settings) if seen.name == name)


@pytest.fixture
def bench(settings: Settings, free_port: Callable[[], int]) -> Iterator[Settings]:
    """Return settings of a home with a simulated device; its stack is gone afterwards."""
    device = Device("bench", "02:4B:31:00:00:09", "127.0.0.1", free_port(), free_port(), kind="simulator")
    Inventory(settings.paths).add(device)
    yield settings
    stack.down(settings)
    assert left_over(Supervisor(settings.paths, settings.timings)) == []


def test_two_ups_at_once_start_it_once(bench: Settings) -> None:
    """Two commands at the same time both succeed, and both find the same process."""
    command = [*K1NB, "up", "simulator", "--json"]
    runs = [
        subprocess.Popen(command, env=environment(bench), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    found = [{seen["name"]: seen for seen in json.loads(out)}["simulator"] for out, _ in said]
    assert found[0]["state"] == found[1]["state"] == "running"
    assert found[0]["pid"] == found[1]["pid"] == of(bench, "simulator").pid


def test_simulating_what_the_service_simulates_names_the_service(bench: Settings) -> None:
    """Who simulates by hand what our own service holds is told how to stop that; a stranger is to be stopped."""
    words = [*K1NB, "device", "simulate", "bench"]
    stack.up(bench, ["simulator"])
    ours = subprocess.run(words, env=environment(bench), capture_output=True, text=True, check=False)
    assert (ours.returncode, ours.stdout) == (1, "")
    assert "k1nb down simulator" in ours.stderr
    stack.down(bench, ["simulator"])
    (device,) = Inventory(bench.paths).list()
    with socket.create_server((device.address, device.http_port)):
        strange = subprocess.run(words, env=environment(bench), capture_output=True, text=True, check=False)
    assert strange.returncode == 1
    assert "stop that process" in strange.stderr


def test_a_taken_port_of_a_device_is_named(bench: Settings) -> None:
    """A second home that simulates a device on the same ports is told who holds them."""
    stack.up(bench, ["simulator"])
    other = bench.model_copy(update={"home": bench.home.parent / "other"})
    Inventory(other.paths).add(replace(Inventory(bench.paths).get("bench"), name="twin"))
    with pytest.raises(PortTaken, match=rf"\(pid {of(bench, 'simulator').pid}\)"):
        stack.up(other, ["simulator"])
    stack.down(other)


def test_the_line_is_up(line: Settings) -> None:
    """All services run, each check passes, and an execution has been through our own workers."""
    assert {seen.name: seen.state for seen in stack.status(line)} == dict.fromkeys(stack.SERVICES, "running")
    assert {check.status for check in stack.checks(line)} == {Status.OK}
    with Conductor.from_settings(line) as conductor:
        assert conductor.find(name="k1nb-ready")


def test_a_second_up_of_the_line_only_looks(line: Settings) -> None:
    """No service is started again, and readiness is proven once more."""
    before = {seen.name: seen.pid for seen in stack.status(line)}
    said: list[str] = []
    after = {seen.name: seen.pid for seen in stack.up(line, on_progress=said.append)}
    assert after == before
    assert said == [f"{name} is ready" for name in stack.SERVICES]


def test_killed_workers_come_back(line: Settings) -> None:
    """Workers that are killed with -9 are there again, and work."""
    before = of(line, "workers").pid
    assert before
    os.kill(before, signal.SIGKILL)
    await_true(lambda: of(line, "workers").pid not in (None, before))
    stack.up(line, ["workers"])


def test_a_simulator_stopped_on_purpose_stays_stopped(line: Settings) -> None:
    """Bringing up the server leaves it stopped, its check says how to start it, and bringing up all does."""
    try:
        stack.down(line, ["simulator"])
        stack.up(line, ["conductor"])
        assert of(line, "simulator").on_purpose
        failed = next(check for check in stack.checks(line) if "simulator" in check.name)
        assert (failed.status, failed.hint) == (Status.FAIL, "`k1nb up simulator`")
    finally:
        stack.up(line)
    assert of(line, "simulator").state == "running"


def test_a_server_that_is_killed_comes_back_with_its_executions(line: Settings) -> None:
    """State is on the disk: what ran before the kill is found after it."""
    with Conductor.from_settings(line) as conductor:
        known = {execution.id for execution in conductor.find(name="k1nb-ready")}
        before = of(line, "conductor").pid
        assert before
        os.kill(before, signal.SIGKILL)
        await_true(lambda: not alive(before))
        stack.up(line)
        assert psutil.pid_exists(of(line, "conductor").pid or 0)
        assert known <= {execution.id for execution in conductor.find(name="k1nb-ready")}
