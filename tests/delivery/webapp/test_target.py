"""Targets: a folder and a real rsync daemon behave alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.delivery.webapp import FolderTarget, RsyncTarget, releases, target_of
from k1nb.delivery.webapp._target import CURRENT, PREVIOUS, Target
from k1nb.errors import HostError, SettingError, StorageError, UsageError
from k1nb.timings import Timings
from tests.conftest import FreePort
from tests.delivery.webapp.builders import a_build, rsync_daemon


@pytest.fixture(params=["folder", "rsync"])
def place(request: pytest.FixtureRequest, tmp_path: Path, free_port: FreePort) -> Iterator[tuple[Target, Path]]:
    """Return an empty target of each kind, and where its files really are."""
    if request.param == "folder":
        yield FolderTarget(tmp_path / "site"), tmp_path / "site"
    else:
        with rsync_daemon(tmp_path, free_port()) as address:
            yield RsyncTarget(f"{address}/site", Timings()), tmp_path / "remote" / "site"


def test_releases_stand_side_by_side(place: tuple[Target, Path], tmp_path: Path) -> None:
    """An empty target has none; each put is whole and readable for a web server, and links point where they are let."""
    target, folder = place
    assert (target.names(), target.link(CURRENT), releases(target)) == ({}, None, [])
    for name in ("1.0.0-a", "1.0.1-b"):
        target.put(name, a_build(tmp_path / name, name))
    target.point(PREVIOUS, "1.0.0-a")
    target.point(CURRENT, "1.0.0-a")
    target.point(CURRENT, "1.0.1-b")
    assert (folder / "current" / "parts" / "deep.txt").read_text() == "1.0.1-b"
    assert (folder / "releases" / "1.0.1-b").stat().st_mode & 0o777 == 0o755
    assert (folder / "current" / "index.html").stat().st_mode & 0o777 == 0o644
    assert {(r.name, r.current, r.previous) for r in releases(target)} == {
        ("1.0.0-a", False, True),
        ("1.0.1-b", True, False),
    }
    target.remove("1.0.0-a")
    target.withdraw(CURRENT)
    assert (list(target.names()), target.link(CURRENT), target.link(PREVIOUS)) == (["1.0.1-b"], None, "1.0.0-a")
    assert (folder / "releases" / "1.0.1-b" / "style.css").is_file()


def test_a_release_that_was_cut_off_is_made_whole(place: tuple[Target, Path], tmp_path: Path) -> None:
    """Put again, a release has what it is to have and nothing else."""
    target, folder = place
    content = a_build(tmp_path / "content")
    target.put("1", content)
    (folder / "releases" / "1" / "index.html").write_text("half")
    (folder / "releases" / "1" / "left-over").touch()
    target.put("1", content)
    assert "hello" in (folder / "releases" / "1" / "index.html").read_text()
    assert not (folder / "releases" / "1" / "left-over").exists()


def test_a_switch_leaves_no_moment_without_a_page(tmp_path: Path) -> None:
    """Whoever reads while releases are switched a hundred times always gets one of them."""
    target = FolderTarget(tmp_path / "site")
    for name in ("a", "b"):
        target.put(name, a_build(tmp_path / name, name))
    target.point(CURRENT, "a")
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add((tmp_path / "site" / "current" / "parts" / "deep.txt").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(100):
            target.point(CURRENT, "ab"[number % 2])
    finally:
        stop.set()
        reader.join()
    assert seen <= {"a", "b"}
    assert seen


@pytest.mark.parametrize("place", ["web", "./web", "-esh:/x", "rsync://host"])
def test_what_is_no_target_is_refused(settings: Settings, place: str) -> None:
    """A relative folder, an option of rsync's and a host without a path are refused, and the setting is named."""
    with pytest.raises(SettingError, match="webapp_production"):
        target_of(settings.model_copy(update={"webapp_production": place}), "production")


@pytest.mark.parametrize("place", ["web@host:/srv/web", "host:web", "host::module/web", "rsync://host:873/module/web"])
def test_rsync_targets_are_known(settings: Settings, place: str) -> None:
    """What rsync takes for a remote place is one."""
    target = target_of(settings.model_copy(update={"webapp_staging": f"{place}/"}), "staging")
    assert isinstance(target, RsyncTarget)
    assert target.place == place


def test_there_is_a_place_for_each_environment(settings: Settings) -> None:
    """Without a setting it is a folder under the home; another environment is none."""
    assert target_of(settings, "staging").place == str(settings.paths.webapps / "staging")
    with pytest.raises(UsageError, match="stagging"):
        target_of(settings, "stagging")


def test_a_target_that_refuses_is_said(tmp_path: Path, free_port: FreePort) -> None:
    """A daemon that does not answer, and a folder that stands where a link belongs, are errors with a hint."""
    with pytest.raises(HostError, match="ended with") as caught:
        RsyncTarget(f"rsync://127.0.0.1:{free_port()}/web", Timings()).names()
    assert "rsync --list-only" in (caught.value.hint or "")
    (tmp_path / "site" / CURRENT).mkdir(parents=True)
    with pytest.raises(StorageError, match="no link"):
        FolderTarget(tmp_path / "site").link(CURRENT)
