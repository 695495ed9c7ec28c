"""What the tests of the device room share: folders of their own, quick timings, a simulator that really runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from k1nb import _http
from k1nb.device import Device, Faults, OtaPassword, simulate
from k1nb.paths import Paths
from k1nb.timings import Timings

QUICK = replace(
    Timings(),
    device_retry=0.05,
    device_lock=0.3,
    ota_invitation=0.3,
    ota_connect=2.0,
    ota_acknowledge=2.0,
    ota_result=3.0,
    ota_deadline=30.0,
    simulator_reboot=0.3,
    simulator_patience=0.2,
)
"""Timings for devices on loopback: short, but not so short that a loaded machine fails them."""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Folders of one test's own."""
    return Paths(tmp_path / "home", tmp_path / "cache", tmp_path / "home" / "artifacts")


@dataclass
class Running:
    """Simulated devices that run in a thread."""

    devices: Sequence[Device]
    paths: Paths
    timings: Timings
    faults: Mapping[str, Faults] | Faults | None = None
    passwords: Mapping[str, OtaPassword] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    stop: asyncio.Event | None = None
    error: BaseException | None = None
    started: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(default_factory=threading.Thread)

    @property
    def device(self) -> Device:
        """The first of them."""
        return self.devices[0]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the first device once, without any of k1nb's care."""
        with httpx.Client(**_http.options(5, self.device.base_url)) as client:
            return client.request(method, self.device.base_url + path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask the first device once."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Send something to the first device once."""
        return self.request("POST", path, **options)

    def state(self) -> dict[str, Any]:
        """Return what the simulator counts."""
        return dict(self.get("/k1nb/simulator/state").json())

    def wait_until_up(self, boots: int = 1) -> None:
        """Wait until the first device answers and has booted so often."""
        for _ in range(400):
            try:
                if self.state()["boots"] >= boots:
                    return
            except httpx.TransportError:
                pass
            if self.error is not None:
                raise self.error
            time.sleep(0.02)
        raise AssertionError("the simulator did not come up")

    def end(self) -> None:
        """Switch the devices off and wait until they are."""
        if self.loop is not None and self.stop is not None and self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(20)
        assert not self.thread.is_alive()

    def run(self) -> None:
        """Live until stopped; runs in the thread."""
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - handed to the test that waits
            self.error = error
        finally:
            self.started.set()

    async def _run(self) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        self.started.set()
        await simulate(
            self.devices,
            paths=self.paths,
            timings=self.timings,
            stop=self.stop,
            faults=self.faults,
            passwords=self.passwords,
        )


@contextmanager
def running(
    devices: Sequence[Device],
    paths: Paths,
    timings: Timings = QUICK,
    faults: Mapping[str, Faults] | Faults | None = None,
    passwords: Mapping[str, OtaPassword] | None = None,
) -> Iterator[Running]:
    """Run simulated devices in a thread for as long as the block lasts."""
    simulation = Running(devices, paths, timings, faults, passwords)
    simulation.thread = threading.Thread(target=simulation.run)
    simulation.thread.start()
    simulation.started.wait(10)
    try:
        if not isinstance(faults, Faults) or faults.http_dead is None:
            simulation.wait_until_up()
        yield simulation
    finally:
        simulation.end()


def simulated(free_port: Callable[[], int]) -> Device:
    """Return an inventory entry of a simulated device with free ports."""
    return Device("demo", "02:4B:31:00:00:01", "127.0.0.1", free_port(), free_port(), kind="simulator")


@pytest.fixture
def demo(free_port: Callable[[], int]) -> Device:
    """An inventory entry of a simulated device; nothing runs there yet."""
    return simulated(free_port)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Running]:
    """A simulated device for tests that change nothing on it and use no rate window."""
    home = tmp_path_factory.mktemp("shared")
    with running([simulated(free_port)], Paths(home, home / "cache", home / "artifacts")) as simulation:
        yield simulation


@pytest.fixture
def simulator(demo: Device, paths: Paths) -> Iterator[Running]:
    """A simulated device fresh from the factory, running."""
    with running([demo], paths) as simulation:
        yield simulation
