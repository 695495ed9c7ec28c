"""Tests of a release with its device: what somebody who opens the page would meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from k1nb.checks import Check, Status, Verdict, verdict
from k1nb.config import Settings
from k1nb.delivery._deployment import try_readings
from k1nb.delivery._health import HealthLimits, complaints
from k1nb.delivery.webapp._page import ReleaseFacts, device_by, page_parts, release_at, serving
from k1nb.delivery.webapp._target import CURRENT, FolderTarget, target_of, url_of
from k1nb.device import Device
from k1nb.errors import HostError


@dataclass(frozen=True, slots=True)
class Trial:
    """What was asked of a release, and what was seen."""

    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Tell whether everything asked was answered well."""
        return verdict(self.checks) is Verdict.OK


async def try_release(settings: Settings, environment: str, release: str | None, device: Device) -> Trial:
    """Ask page, release, API and device; what cannot be asked is UNKNOWN, and such a trial is not passed."""
    checks = [await _healthy(settings, device, "before")]
    try:
        async with _place(settings, environment) as url:
            checks += await _page(settings, environment, url, release, device)
    except HostError as error:
        checks.append(Check(f"web app {environment}: answers", Status.UNKNOWN, error.message, error.hint))
    return Trial([*checks, await _healthy(settings, device, "after")])


@asynccontextmanager
async def _place(settings: Settings, environment: str) -> AsyncIterator[str]:
    """Yield where the web app is served; a folder that nobody is known to serve is served here meanwhile."""
    url, target = url_of(settings, environment), target_of(settings, environment)
    if url is not None:
        yield url
    elif isinstance(target, FolderTarget):
        async with serving(target.folder / CURRENT) as here:
            yield here
    else:
        hint = f"set K1NB_WEBAPP_{environment.upper()}_URL to its address"
        raise HostError(f"nothing says where {target.place} is served", hint=hint)


async def _page(settings: Settings, environment: str, url: str, release: str | None, device: Device) -> list[Check]:
    name, timings = f"web app {environment}", settings.timings
    known: list[ReleaseFacts] = []

    async def answers() -> str:
        return f"the page and its {await page_parts(url, timings)} parts answer"

    async def shows() -> str:
        known.append(await release_at(url, timings))
        if release is not None and known[0].release != release:
            raise HostError(f"it serves release {known[0].release}, not {release}", hint="does it serve `current`?")
        return f"it serves release {known[0].release}"

    async def reaches() -> str:
        if not known:
            raise HostError("the page does not tell where its API is", hint="look at the check before")
        mac = await device_by(known[0].api, url.rstrip("/"), timings)
        if mac != device.mac:
            raise HostError(f"{known[0].api} is the device {mac}, not {device.mac}", hint="`k1nb device list`")
        return f"a call of the page to {known[0].api} reaches {device.name}"

    return [
        await _asked(f"{name}: answers", url, answers),
        await _asked(f"{name}: release", url, shows),
        await _asked(f"{name}: its API calls reach the device", url, reaches),
    ]


async def _asked(name: str, source: str, question: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, Status.OK, await question(), source=source)
    except HostError as error:
        return Check(name, Status.FAIL, error.message, error.hint or "look at the web server", source)


async def _healthy(settings: Settings, device: Device, when: str) -> Check:
    name = f"device {device.name}: healthy {when} the tests"
    seen, hint = await try_readings(settings, device), f"k1nb device info {device.name}"
    if seen is None or seen.mac != device.mac:
        what = "it does not answer" if seen is None else f"a device with MAC {seen.mac} answers"
        return Check(name, Status.FAIL, what, hint, device.base_url)
    if wrong := complaints(seen, HealthLimits.of(settings)):
        return Check(name, Status.FAIL, "; ".join(wrong), hint, device.base_url)
    return Check(name, Status.OK, f"up for {seen.uptime_seconds:.0f} s, {seen.fps:.1f} FPS", source=device.base_url)
