"""How long an image takes to a device: our sender in both modes beside the reference sender's algorithm."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import httpx

from benchmarks import _delay, _fleet, _reference
from benchmarks._image import SIZE, image
from benchmarks._measure import Row, home, k1nb
from k1nb._http import free_port
from k1nb.config import OtaMode, Settings, environment
from k1nb.device import Device, Inventory, send_image
from k1nb.device._espota import CHUNK

PEER = "espota.py algorithm"
ROUND_TRIPS = (0, 5, 20)
"""Milliseconds."""
REPEATED = 5
"""How often as many runs there are without a delay: those take a fraction of a second."""
AIMS: Mapping[OtaMode, Mapping[int, float | None]] = {
    "lock-step": {0: None, 5: 1.0, 20: 1.0},
    "streaming": {0: None, 5: None, 20: 0.2},
}
"""The ratio wanted at most: lock-step is to be no slower, streaming five times as fast where the path is long.

Without a delay there is no path, and the blocking reads of the peer take less of a processor than an event loop.
"""
_QUICK_RESTART = 0.2
"""Factor on the simulated device's waits, of which only its restart matters here."""


def rows(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Send an image in each way and over each path in turn, then flash a fleet."""
    found: list[Row] = []
    with home() as settings, _device(settings) as device:
        for milliseconds in ROUND_TRIPS:
            with _path(device, milliseconds) as place:
                times = _times(settings, device, place, runs if milliseconds else REPEATED * runs)
            for way, seconds in times.items():
                say(f"{milliseconds} ms round trip, {way}: {statistics.median(seconds):.2f} s")
            found += _rows(milliseconds, times)
    return found + _fleet.rows(say)


def _rows(milliseconds: int, times: Mapping[str, list[float]]) -> Iterator[Row]:
    for mode, aims in AIMS.items():
        what = f"an image in {mode} mode, {milliseconds} ms round trip"
        yield Row("ota", what, "s", times[mode], PEER, times[PEER], aim=aims[milliseconds])


def _times(settings: Settings, device: Device, place: Device, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each way to bring the image to `place`, which leads to the device; in turn, so often."""
    data = image(SIZE)

    def ours(mode: OtaMode) -> Callable[[], object]:
        return lambda: asyncio.run(send_image(place, data, paths=settings.paths, timings=settings.timings, mode=mode))

    ways = {
        PEER: lambda: _reference.send(data, place.address, place.ota_port),
        "lock-step": ours("lock-step"),
        "streaming": ours("streaming"),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, send in ways.items():
            boots = _boots(device)
            began = time.monotonic()
            send()
            times[way].append(time.monotonic() - began)
            _until_booted(device, boots + 1)
    return times


@contextmanager
def _device(settings: Settings) -> Iterator[Device]:
    """Simulate a device in a process of its own."""
    device = Device("bench", "02:4B:31:00:00:01", "127.0.0.1", free_port(), free_port(), kind="simulator")
    Inventory(settings.paths).add(device)
    surroundings = environment(settings, K1NB_TIMINGS_SCALE=str(_QUICK_RESTART))
    with subprocess.Popen(k1nb("device", "simulate", device.name), env=surroundings) as process:
        try:
            _until_booted(device, 1)
            yield device
        finally:
            process.terminate()


@contextmanager
def _path(device: Device, milliseconds: int) -> Iterator[Device]:
    """Yield the device as it is reached with this round-trip time."""
    if not milliseconds:
        yield device
        return
    words = [sys.executable, "-m", "benchmarks._delay", str(device.ota_port), str(milliseconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield replace(device, ota_port=int(process.stdout.readline() if process.stdout else ""))
        finally:
            process.terminate()


def _boots(device: Device) -> int:
    """Return how often the device has booted, 0 where it does not answer."""
    try:
        answer = httpx.get(f"{device.base_url}/k1nb/simulator/state", trust_env=False)
    except httpx.TransportError:
        return 0
    return int(answer.json()["boots"])


def _until_booted(device: Device, boots: int) -> None:
    deadline = time.monotonic() + 60
    while _boots(device) < boots:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{device.label} does not come back")
        time.sleep(0.05)


def note() -> str:
    """Say what was measured."""
    return (
        f"OTA: an image of {SIZE / 1e6:.1f} MB to a simulated device, which writes no flash and so answers faster than"
        f" a K1; {REPEATED} times as often without a delay. The peer is the algorithm of the reference sender"
        " espota.py, written anew: 1,024 bytes, an answer, the next 1,024 bytes. Ours sends one TCP segment of the"
        f" device, {CHUNK:,} bytes, before it waits. With a round-trip time every byte and datagram arrives half of"
        f" it later, and at most {_delay.WINDOW:,} bytes are under way to the device, as many as the receive window of"
        f" a K1 holds. A ratio of 0.2 is five times as fast. The fleet is {_fleet.DEVICES} simulated devices, deployed"
        " to at once by the shipped workflow through a worker host with room for all of them."
    )
