"""What somebody meets who opens the page, on a real page and a simulated device."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from k1nb.checks import Status
from k1nb.config import Settings
from k1nb.delivery import webapp
from k1nb.delivery.webapp import RELEASE_FILE, FolderTarget
from k1nb.delivery.webapp._page import device_by, page_parts
from k1nb.device import Device
from k1nb.errors import HostError
from tests.conftest import FreePort
from tests.delivery.webapp.builders import a_device, a_webapp
from tests.device.conftest import running


async def _tried(settings: Settings, device: Device, *, cut: str = "", api: str = "") -> dict[str, tuple[Status, str]]:
    """Deploy to staging, spoil a file, and return what each check saw, by its last word."""
    done = await webapp.deploy(settings, "staging", a_webapp(settings).id, "1.0.0", device)
    target = webapp.target_of(settings, "staging")
    assert isinstance(target, FolderTarget)
    folder = target.folder / "current"
    if cut:
        (folder / cut).unlink()
    if api:
        text = (folder / RELEASE_FILE).read_text()
        (folder / RELEASE_FILE).write_text(text.replace(device.base_url, api))
    trial = await webapp.try_release(settings, "staging", done.release, device)
    seen = {check.name.partition(": ")[2]: (check.status, check.evidence) for check in trial.checks}
    assert trial.passed is all(status is Status.OK for status, _ in seen.values())
    assert all(check.hint for check in trial.checks if check.status is not Status.OK)
    return seen


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Settings with short waits."""
    return settings.model_copy(update={"timings_scale": 0.1})


def test_a_good_release_passes(quick: Settings, free_port: FreePort) -> None:
    """Page, its own parts, release, API and device answer, and each answer says what was seen."""
    device = a_device(free_port)
    with running([device], quick.paths):
        seen = asyncio.run(_tried(quick, device))
    assert {status for status, _ in seen.values()} == {Status.OK}
    assert seen["answers"][1] == "the page and its 1 parts answer"  # the foreign script is nobody's business
    assert len(seen) == 5


def test_what_is_missing_is_found(quick: Settings, free_port: FreePort) -> None:
    """A part that the page names and nobody has fails the page; so does a page that is not there."""
    device = a_device(free_port)
    with running([device], quick.paths):
        seen = asyncio.run(_tried(quick, device, cut="style.css"))
    assert seen["answers"][0] is Status.FAIL
    assert "style.css answers 404" in seen["answers"][1]
    with running([device], quick.paths):
        seen = asyncio.run(_tried(quick.model_copy(update={"home": quick.home / "b"}), device, cut=RELEASE_FILE))
    assert (seen["release"][0], seen["its API calls reach the device"][0]) == (Status.FAIL, Status.FAIL)


def test_a_page_that_talks_to_another_device_fails(quick: Settings, free_port: FreePort) -> None:
    """An API that answers well, but is another device's, is not the one that the release is for."""
    device = a_device(free_port)
    other = replace(device, name="other", mac="02:4B:31:00:00:09", http_port=free_port(), ota_port=free_port())
    with running([device, other], quick.paths):
        seen = asyncio.run(_tried(quick, device, api=other.base_url))
    assert seen["its API calls reach the device"] == (
        Status.FAIL,
        f"{other.base_url} is the device {other.mac}, not {device.mac}",
    )


def test_a_silent_or_sick_device_fails(quick: Settings, free_port: FreePort) -> None:
    """A device that does not answer fails before and after, and so do the page's calls."""
    seen = asyncio.run(_tried(quick, a_device(free_port)))
    assert [status for status, _ in seen.values()] == [Status.FAIL, Status.OK, Status.OK, Status.FAIL, Status.FAIL]


def test_an_rsync_target_without_an_address_is_unknown(quick: Settings, free_port: FreePort) -> None:
    """Where nothing says how the page is reached, nothing is known of it, and that does not pass."""
    remote = quick.model_copy(update={"webapp_staging": "host:/srv/web"})
    trial = asyncio.run(webapp.try_release(remote, "staging", None, a_device(free_port)))
    assert trial.checks[1].status is Status.UNKNOWN
    assert "K1NB_WEBAPP_STAGING_URL" in (trial.checks[1].hint or "")
    assert not trial.passed


def test_a_page_is_html(quick: Settings, tmp_path: Path) -> None:
    """What answers with something else, or nothing, shows no page."""
    (tmp_path / "index.txt").write_text("text")
    (tmp_path / "empty.html").touch()

    async def ask(name: str) -> None:
        async with webapp.serving(tmp_path) as url:
            await page_parts(url + name, quick.timings)

    for name in ("index.txt", "empty.html"):
        with pytest.raises(HostError, match="no page"):
            asyncio.run(ask(name))


def test_a_taken_rate_window_is_waited_for(quick: Settings, free_port: FreePort) -> None:
    """A device that another client has just asked the same is asked again, and that is no failure."""
    device = a_device(free_port)
    patient = quick.model_copy(update={"timings_scale": 0.4})
    with running([device], quick.paths) as simulation:
        simulation.get("/api/device-info")
        reached = asyncio.run(device_by(device.base_url, "http://page", patient.timings))
        assert simulation.get("/api/device-info").status_code == 429
    assert reached == device.mac
