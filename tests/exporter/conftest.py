"""Exporters that really run, in processes of their own, and what they serve as Prometheus reads it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from k1nb import _http
from k1nb.config import Settings, environment, load
from k1nb.device import Device, Inventory
from k1nb.exporter._metrics import VALUES
from tests.conftest import FreePort, make_home

K1NB = [sys.executable, "-m", "k1nb"]
SCALE = 0.2
"""Of the timings of these exporters: a look every two seconds, fresh for seven."""


FIGURES = {value.metric.name for value in VALUES}
"""The metrics that a device itself gives, one answer after the other."""


class Page(dict[str, Metric]):
    """One scrape: the metric families by name."""

    text = ""

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the one sample with these labels among its own; None without one."""
        found = [sample.value for sample in self.samples(name) if labels.items() <= sample.labels.items()]
        assert len(found) < 2, found
        return found[0] if found else None

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels among theirs."""
        return float(sum(sample.value for sample in self.samples(name) if labels.items() <= sample.labels.items()))

    def samples(self, name: str) -> list[Any]:
        """Return the samples of a name."""
        return [s for family in self.values() for s in family.samples if s.name == name]

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {sample.name for family in self.values() for sample in family.samples}


@dataclass
class Exporter:
    """A running `k1nb exporter`."""

    settings: Settings
    process: subprocess.Popen[str] | None = None

    def get(self, path: str = "/metrics", accept: str = "") -> httpx.Response:
        """Ask it for a page."""
        url = f"http://127.0.0.1:{self.settings.exporter_port}"
        with httpx.Client(**_http.options(10, url)) as client:
            return client.get(path, headers={"Accept": accept})

    def scrape(self) -> Page:
        """Return what it serves, read by Prometheus' own parser."""
        response = self.get()
        assert response.status_code == 200
        page = Page({family.name: family for family in text_string_to_metric_families(response.text)})
        page.text = response.text
        return page

    def with_figures(self) -> Page:
        """Return a page that has every figure of its one device."""
        return self.await_page(lambda page: page.names >= FIGURES)

    def await_page(self, question: Callable[[Page], object], within: float = 20) -> Page:
        """Scrape until the answer is yes, and return that page."""
        deadline = time.monotonic() + within
        while True:
            page = self.scrape()
            if question(page):
                return page
            assert time.monotonic() < deadline, page.text
            time.sleep(0.1)


@contextmanager
def exporting(settings: Settings, **changes: str) -> Iterator[Exporter]:
    """Run an exporter for as long as the block lasts."""
    process = subprocess.Popen(
        [*K1NB, "exporter"], env=environment(settings, **changes), stderr=subprocess.PIPE, text=True
    )
    running = Exporter(settings, process)
    try:
        _await_answer(running)
        yield running
    finally:
        process.kill()
        process.communicate()


def _await_answer(running: Exporter) -> None:
    deadline = time.monotonic() + 30
    assert running.process is not None
    while True:
        try:
            running.get("/health")
        except httpx.TransportError:
            assert running.process.poll() is None, running.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@contextmanager
def simulating(settings: Settings, *names: str, faults: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Run `k1nb device simulate` for as long as the block lasts, once all devices listen."""
    words = [word for fault in faults for word in ("--fault", fault)]
    command = [*K1NB, "device", "simulate", *names, *words]
    process = subprocess.Popen(command, env=environment(settings), stderr=subprocess.DEVNULL)
    try:
        for name in names:
            _await_device(Inventory(settings.paths).get(name), process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _await_device(device: Device, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            state_of(device)
        except httpx.TransportError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def state_of(device: Device) -> dict[str, Any]:
    """Return what a simulated device counts."""
    with httpx.Client(**_http.options(10, device.base_url)) as client:
        return dict(client.get("/k1nb/simulator/state").json())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, free_port: FreePort) -> Settings:
    """Return the settings of a home for a module's exporter, with quick looks."""
    return quick_home(tmp_path_factory.mktemp("exporter") / "home", free_port)


def quick_home(place: Path, free_port: FreePort, scale: float = SCALE) -> Settings:
    """Return the settings of a fresh home with quick looks."""
    make_home(place, free_port, timings_scale=scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K1NB_HOME", str(place))
        return load()


def add_device(settings: Settings, free_port: FreePort, name: str, number: int, **changes: Any) -> Device:
    """Add a simulated device, or another one, with ports of its own to the inventory."""
    words: dict[str, Any] = {"http_port": free_port(), "kind": "simulator", **changes}
    device = Device(
        name, f"02:4B:31:00:01:{number:02X}", words.pop("address", "127.0.0.1"), ota_port=free_port(), **words
    )
    return Inventory(settings.paths).add(device)
