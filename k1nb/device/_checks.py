"""What is asked of a device in a daily check."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.device._client import DeviceClient
from k1nb.device._inventory import Device
from k1nb.device._readings import Readings, readings
from k1nb.errors import DeviceError, DeviceNonsense, DeviceRefused, StorageError
from k1nb.firmware import Ledger

MIN_FREE_HEAP = 50_000
"""Bytes below which the alert on low memory fires."""
MIN_FPS = 30.0
"""The lower bound that the workflows set for patterns."""
RECENT = timedelta(minutes=5)
"""A restart within this time that no OTA explains is worth a look."""
_SLACK = timedelta(seconds=5)
_NOT_KNOWN = {DeviceRefused: "the device refused to answer", DeviceNonsense: "its answers are those of no K1"}
_ASPECTS = ("is the one in the inventory", "health status", "free heap", "uptime", "frame rate")


async def checks(device: Device, settings: Settings) -> list[Check]:
    """Look at a device and answer: does it answer, is it the right one, how are health, heap, uptime and frame rate."""
    try:
        async with DeviceClient(device, settings.paths, settings.timings) as client:
            first = await readings(client)
            again = (await client.health()).uptime_ms / 1000
    except DeviceError as error:
        return _silent(device, error)
    loop = asyncio.get_running_loop()
    explained = await loop.run_in_executor(None, _explained, settings, first)
    return [
        _check(device, "answers", None, f"all routes asked answered at {first.at:%H:%M:%S} UTC"),
        _identity(device, first),
        _state(device, first),
        _heap(device, first),
        _uptime(device, first, again, explained=explained),
        _frame_rate(device, first),
    ]


def _silent(device: Device, error: DeviceError) -> list[Check]:
    hint = error.hint or device.retry_hint
    why = _NOT_KNOWN.get(type(error), "the device did not answer")
    first = Check(_name(device, "answers"), Status.FAIL, error.message, hint, device.base_url)
    rest = [Check(_name(device, aspect), Status.UNKNOWN, why, hint, device.base_url) for aspect in _ASPECTS]
    return [first, *rest]


def _name(device: Device, aspect: str) -> str:
    return f"device {device.name}: {aspect}"


def _check(
    device: Device,
    aspect: str,
    wrong: str | None,
    evidence: str,
    *,
    route: str = "",
    status: Status = Status.FAIL,
    **values: float,
) -> Check:
    """Return an OK check, or one of `status` whose hint is `wrong`; `values` is what was measured."""
    answer = Status.OK if wrong is None else status
    return Check(_name(device, aspect), answer, evidence, wrong, device.base_url + route, values=values)


def _identity(device: Device, seen: Readings) -> Check:
    wrong = None
    if seen.mac != device.mac:
        wrong = "another device has this address now: correct the inventory before anything is flashed"
    evidence = f"MAC {seen.mac}, the inventory says {device.mac}"
    return _check(device, "is the one in the inventory", wrong, evidence, route="/api/device/info")


def _state(device: Device, seen: Readings) -> Check:
    wrong = (
        None
        if seen.status == "ok"
        else f"see `k1nb device info {device.name}`, then power-cycle it, or start deployment-rollback-handler"
    )
    stamp = f"firmware {seen.stamp}" if seen.stamp else "a firmware without a stamp"
    return _check(device, "health status", wrong, f"status {seen.status!r}, runs {stamp}", route="/api/health")


def _heap(device: Device, seen: Readings) -> Check:
    low = seen.free_heap_bytes < MIN_FREE_HEAP
    wrong = "a low heap ends in a restart: start deployment-rollback-handler for this device" if low else None
    evidence = f"{seen.free_heap_bytes:,} B free, at least {MIN_FREE_HEAP:,} wanted"
    route, measured = "/api/device/performance", float(seen.free_heap_bytes)
    return _check(device, "free heap", wrong, evidence, route=route, free_heap_bytes=measured)


def _uptime(device: Device, seen: Readings, again: float, *, explained: bool) -> Check:
    booted = seen.at - timedelta(seconds=seen.uptime_seconds)
    evidence = f"up for {_span(seen.uptime_seconds)}, since {booted:%Y-%m-%d %H:%M:%S} UTC"
    if again < seen.uptime_seconds:
        wrong = f"it restarted while it was looked at: look again, and at its serial output ({device.name})"
        said = f"{evidence}; a moment later {again:.1f} s"
        return _check(device, "uptime", wrong, said, route="/api/health", uptime_seconds=again)
    recent = datetime.now(UTC) - booted < RECENT
    wrong = "no OTA explains this restart: look again in a minute; a boot loop keeps the uptime small"
    return _check(
        device,
        "uptime",
        wrong if recent and not explained else None,
        evidence + ("; an OTA explains the restart" if recent and explained else ""),
        route="/api/health",
        status=Status.WARN,
        uptime_seconds=seen.uptime_seconds,
    )


def _frame_rate(device: Device, seen: Readings) -> Check:
    low = seen.fps < MIN_FPS
    wrong = f"select a lighter pattern than {seen.pattern}, or start deployment-rollback-handler" if low else None
    evidence = f"{seen.fps:.1f} FPS with pattern {seen.pattern}, at least {MIN_FPS:.0f} wanted"
    render = seen.avg_render_time_ms
    route = "/api/health"
    return _check(device, "frame rate", wrong, evidence, route=route, fps=seen.fps, avg_render_time_ms=render)


def _explained(settings: Settings, seen: Readings) -> bool:
    """Tell whether the ledger has an OTA of this device that led to its last boot."""
    booted = seen.at - timedelta(seconds=seen.uptime_seconds)
    try:
        latest = Ledger(settings.paths).current(seen.mac)
    except StorageError:
        # The ledger has checks of its own; here it explains nothing.
        return False
    if latest is None or latest.accepted_at is None:
        return False
    return -_SLACK <= booted - latest.accepted_at <= timedelta(seconds=settings.timings.reboot_deadline)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if number]
    return " ".join(parts[:2]) or f"{rest} s"
