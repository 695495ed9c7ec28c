"""Releases of the web app, put into service and taken back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from k1nb._http import run
from k1nb.config import Settings
from k1nb.delivery import webapp
from k1nb.delivery.webapp import Deployed, FolderTarget, serving
from k1nb.delivery.webapp._deploy import KEPT
from k1nb.delivery.webapp._page import RELEASE_FILE
from k1nb.device import Device
from k1nb.errors import HostError, UsageError
from tests.conftest import FreePort
from tests.delivery.webapp.builders import a_device, a_webapp


@pytest.fixture
def device(free_port: FreePort) -> Device:
    """A device that nothing runs for: releases only name it."""
    return a_device(free_port)


def deploy(settings: Settings, device: Device, version: str, text: str = "hello") -> Deployed:
    """Deploy a web app to production."""
    return run(webapp.deploy, settings, "production", a_webapp(settings, text).id, version, device)


def site(settings: Settings) -> Path:
    """Return the folder of production."""
    target = webapp.target_of(settings, "production")
    assert isinstance(target, FolderTarget)
    return target.folder


def test_a_release_says_what_it_is(settings: Settings, device: Device) -> None:
    """Beside the page stands which release it is and where the API of its device is."""
    done = deploy(settings, device, "1.0.0")
    said = json.loads((site(settings) / "current" / RELEASE_FILE).read_text())
    assert said["release"] == done.release
    assert (said["api"], said["mac"], said["release_version"]) == (device.base_url, device.mac, "1.0.0")
    assert done.previous is None
    assert done.url == (site(settings) / "current").as_uri()


def test_a_deployment_twice_is_one(settings: Settings, device: Device) -> None:
    """The same release again changes nothing, and the one before it stays the one before it."""
    deploy(settings, device, "1.0.0", "a")
    first = deploy(settings, device, "1.0.1", "b")
    again = deploy(settings, device, "1.0.1", "b")
    assert (again.release, again.previous) == (first.release, first.previous)
    assert (site(settings) / "current" / "parts" / "deep.txt").read_text() == "b"


def test_a_release_is_taken_back_once(settings: Settings, device: Device) -> None:
    """Put back is what was served before; a release that is no longer served is left alone."""
    before = deploy(settings, device, "1.0.0", "a")
    bad = deploy(settings, device, "1.0.1", "b")
    back = run(webapp.restore, settings, "production", bad.release)
    assert (back.release, back.changed) == (before.release, True)
    assert (site(settings) / "current" / "parts" / "deep.txt").read_text() == "a"
    again = run(webapp.restore, settings, "production", bad.release)
    assert (again.release, again.changed) == (before.release, False)


def test_the_first_release_leaves_nothing_behind(settings: Settings, device: Device) -> None:
    """Where nothing was served before, nothing is after it was taken back; its files stay."""
    first = deploy(settings, device, "1.0.0")
    back = run(webapp.restore, settings, "production", first.release)
    assert (back.release, back.changed) == (None, True)
    assert not (site(settings) / "current").exists()
    assert first.release in webapp.target_of(settings, "production").names()


def test_a_switch_that_is_not_served_is_undone(settings: Settings, device: Device, tmp_path: Path) -> None:
    """Where the web server serves something else afterwards, the release before is current again, and it is said."""
    before = deploy(settings, device, "1.0.0", "a")
    (tmp_path / "index.html").write_text("another site")

    async def wrongly_served() -> None:
        async with serving(tmp_path) as url:
            there = settings.model_copy(update={"webapp_production_url": url})
            with pytest.raises(HostError, match=f"{before.release} is served again"):
                await webapp.deploy(there, "production", a_webapp(settings, "b").id, "1.0.1", device)

    asyncio.run(wrongly_served())
    assert (site(settings) / "current").readlink().name == before.release


def test_what_is_served_proves_the_release(settings: Settings, device: Device) -> None:
    """Where an address is set, a release counts once that address shows it."""
    deploy(settings, device, "1.0.0", "a")

    async def served() -> Deployed:
        async with serving(site(settings) / "current") as url:
            there = settings.model_copy(update={"webapp_production_url": url})
            return await webapp.deploy(there, "production", a_webapp(settings, "b").id, "1.0.1", device)

    done = asyncio.run(served())
    assert done.url.startswith("http://127.0.0.1")
    assert done.evidence == [f"{done.url} serves release {done.release}"]


def test_old_releases_go_and_the_last_two_stay(settings: Settings, device: Device) -> None:
    """A handful is kept; the one that is served and the one before it are, whatever their age."""
    old = deploy(settings, device, "0.0.1", "old")
    made = [deploy(settings, device, f"1.0.{n}", "x").release for n in range(KEPT + 3)]
    left = set(webapp.target_of(settings, "production").names())
    assert old.release not in left
    assert {*made[-2:]} <= left
    assert len(left) == KEPT + 2


@pytest.mark.parametrize("version", ["", "..", "../x", "a b", "-1", "x" * 81, "1/2", "a\n"])
def test_no_release_is_named_like_a_path(settings: Settings, device: Device, version: str) -> None:
    """A version becomes a folder's name, so what could be more than one is refused."""
    with pytest.raises(UsageError, match="no name of a release"):
        deploy(settings, device, version)
