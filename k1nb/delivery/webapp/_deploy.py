"""Putting a web app's release into service, and the one before it back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from k1nb.config import Settings
from k1nb.delivery.webapp._page import RELEASE_FILE, ReleaseFacts, served
from k1nb.delivery.webapp._store import WebAppStore
from k1nb.delivery.webapp._target import CURRENT, PREVIOUS, Target, is_release_name, releases, target_of, url_of
from k1nb.device import Device
from k1nb.errors import HostError, UsageError
from k1nb.paths import private

KEPT = 5
"""Releases that stay at a target, beside the current one and the one before it."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A release in service."""

    release: str
    previous: str | None
    """What was served before it; None where nothing was."""
    url: str
    """Where it is served, or the folder's address."""
    evidence: list[str]


@dataclass(frozen=True, slots=True)
class Restored:
    """What is served after a release was taken back; None where nothing is."""

    release: str | None
    changed: bool
    evidence: list[str]


def release_facts(
    settings: Settings, environment: str, webapp_id: str, release_version: str, device: Device
) -> ReleaseFacts:
    """Return what a release says of itself; its name stands for its content. Raises UsageError, UnknownName."""
    if not is_release_name(release_version):
        hint = "give letters, digits, dots, dashes, underscores and plus signs, 80 at most, such as 1.4.0"
        raise UsageError(f"{release_version!r} is no name of a release", hint=hint)
    webapp = WebAppStore(settings.paths).get(webapp_id)
    said = f"{webapp.id} {environment} {device.mac} {device.base_url}"
    name = f"{release_version}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    return ReleaseFacts(
        release=name,
        release_version=release_version,
        environment=environment,
        webapp=webapp.id,
        commit=webapp.version,
        device=device.name,
        mac=device.mac,
        api=device.base_url,
    )


async def deploy(
    settings: Settings, environment: str, webapp_id: str, release_version: str, device: Device
) -> Deployed:
    """Put a stored web app into service as a release, once; its page is to talk to the device.

    The files are there, whole, before the switch. Where the release is then not what is served, the one before it is
    put back. Raises HostError, UsageError, UnknownName, ArtifactError.
    """
    facts = release_facts(settings, environment, webapp_id, release_version, device)
    target = target_of(settings, environment)
    async with _alone(settings, environment):
        before = await asyncio.to_thread(_switch, settings, target, facts)
        try:
            proof = await _proof(settings, target, environment, facts)
        except HostError as error:
            restored = await asyncio.to_thread(_back, target, facts.release, before)
            raise HostError(f"{error.message}; {'; '.join(restored.evidence)}", hint=error.hint) from error
        await asyncio.to_thread(_prune, target)
    url = url_of(settings, environment) or _address(target)
    return Deployed(facts.release, before, url, [proof])


async def restore(settings: Settings, environment: str, failed: str | None) -> Restored:
    """Put back what was served before a release, unless something else is served already; raises HostError."""
    target = target_of(settings, environment)
    async with _alone(settings, environment):
        current = await asyncio.to_thread(target.link, CURRENT)
        if failed is None or current != failed:
            return Restored(
                current, False, [f"{environment} serves {current or 'nothing'}, not {failed}: left as it is"]
            )
        before = await asyncio.to_thread(target.link, PREVIOUS)
        return await asyncio.to_thread(_back, target, failed, before)


async def switch_to(settings: Settings, environment: str, release: str) -> Restored:
    """Put a release that is still there into service; raises UsageError for one that is not, HostError."""
    target = target_of(settings, environment)
    async with _alone(settings, environment):
        current, known = await asyncio.to_thread(lambda: (target.link(CURRENT), target.names()))
        if release not in known:
            hint = f"`k1nb webapp list {environment}` shows those that are there"
            raise UsageError(f"{environment} has no release {release!r}", hint=hint)
        if current == release:
            return Restored(release, False, [f"{environment} serves {release} already"])
        await asyncio.to_thread(_point, target, release, current)
        return Restored(release, True, [f"{environment} serves {release} again, instead of {current or 'nothing'}"])


def _switch(settings: Settings, target: Target, facts: ReleaseFacts) -> str | None:
    """Have the release there and make it current; return what was served before, as far as the links tell."""
    current = target.link(CURRENT)
    if current == facts.release:
        return target.link(PREVIOUS)
    store = WebAppStore(settings.paths)
    with tempfile.TemporaryDirectory(dir=private(settings.paths.webapps)) as folder:
        content = Path(folder)
        store.unpack(store.get(facts.webapp), content)
        (content / RELEASE_FILE).write_text(json.dumps(asdict(facts), indent=2) + "\n", encoding="utf-8")
        target.put(facts.release, content)
    _point(target, facts.release, current)
    return current


def _point(target: Target, release: str, current: str | None) -> None:
    """Let `previous` name what is served now, then `current` the release: a crash in between changes nothing served."""
    if current is not None:
        target.point(PREVIOUS, current)
    target.point(CURRENT, release)


def _back(target: Target, failed: str, before: str | None) -> Restored:
    if before is None or before == failed or before not in target.names():
        target.withdraw(CURRENT)
        return Restored(None, True, [f"{failed} is no longer served; nothing was served before it"])
    target.point(CURRENT, before)
    target.point(PREVIOUS, failed)
    return Restored(before, True, [f"{before} is served again"])


async def _proof(settings: Settings, target: Target, environment: str, facts: ReleaseFacts) -> str:
    url = url_of(settings, environment)
    if url is not None:
        return await served(url, facts.release, settings.timings)
    current = await asyncio.to_thread(target.link, CURRENT)
    if current != facts.release:
        raise HostError(
            f"{target.place} has {current} as current, not {facts.release}", hint="see who else writes there"
        )
    return f"{CURRENT} of {target.place} is {facts.release}"


def _prune(target: Target) -> None:
    """Remove the oldest releases, never the one that is served or the one before it."""
    found = [one for one in releases(target) if not one.current and not one.previous]
    for release in found[KEPT:]:
        target.remove(release.name)


def _address(target: Target) -> str:
    place = Path(target.place)
    return (place / CURRENT).as_uri() if place.is_absolute() else target.place


@asynccontextmanager
async def _alone(settings: Settings, environment: str) -> AsyncIterator[None]:
    """Keep two who change one environment apart, in whichever process of this host."""
    lock = FileLock(private(settings.paths.webapps) / f".{environment}.lock", thread_local=False)
    try:
        await asyncio.to_thread(lock.acquire, timeout=settings.timings.rsync)
    except Timeout:
        raise HostError(f"another deployment to {environment} is under way", hint="wait for it") from None
    try:
        yield
    finally:
        lock.release()
