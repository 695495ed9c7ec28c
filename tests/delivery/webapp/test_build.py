"""Builds of the web app, by the real npm, without a network."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping
from contextlib import suppress

import psutil
import pytest

from k1nb.config import Settings
from k1nb.delivery.webapp import WebAppStore, WebBuild, build_webapp
from k1nb.errors import BuildError, CommitError, PrerequisiteError
from k1nb.firmware import Commit, Repository, commit_change, ensure_sample_repository
from k1nb.timings import Timings

PACKAGE = {"name": "x", "version": "1.0.0", "private": True}


def build(settings: Settings, repository: Repository, commit: Commit, timings: Timings | None = None) -> WebBuild:
    """Build a commit's web app in a folder of its own."""
    name = commit.sha[:12]
    log = settings.paths.logs / f"{name}.log"
    folder = settings.paths.builds / name
    wanted = timings or settings.timings
    return asyncio.run(build_webapp(repository, commit, folder, log, cache=settings.cache, timings=wanted))


def changed(settings: Settings, files: Mapping[str, str]) -> tuple[Repository, Commit]:
    """Commit a change of the sample's web app."""
    repository = ensure_sample_repository(settings.paths)
    return repository, commit_change(repository, "Change the web app", files)


def test_the_sample_builds_offline_and_alike(settings: Settings) -> None:
    """Two builds of a commit in two folders give one web app, whose page names the commit."""
    repository, commit = changed(settings, {"webapp/src/note.txt": "new\n"})
    first = build(settings, repository, commit)
    assert f"commit {commit.sha[:12]}" in (first.output / "index.html").read_text()
    store = WebAppStore(settings.paths)
    stored = store.put(first.output, version=commit.sha, repo="r", branch="main")
    assert stored.files == 4
    assert "built dist" in first.tail
    again = asyncio.run(
        build_webapp(
            repository,
            commit,
            settings.paths.builds / "elsewhere",
            settings.home / "l.log",
            cache=settings.cache,
            timings=settings.timings,
        )
    )
    assert store.put(again.output, version=commit.sha, repo="r", branch="main") == stored


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"webapp/build.mjs": 'console.error("no such colour"); process.exit(3);\n'}, "no such colour"),
        ({"webapp/package.json": json.dumps(PACKAGE)}, "ended with 1"),
        ({"webapp/package.json": json.dumps({**PACKAGE, "dependencies": {"vite": "5"}})}, r"no package-lock\.json"),
        ({"webapp/package.json": "[1]"}, "cannot be read"),
        ({"webapp/build.mjs": "\n", "webapp/src/gone": "x"}, "left no index.html"),
    ],
    ids=["says no", "no build script", "no lock", "no package", "no page"],
)
def test_what_does_not_build_is_told_for_good(settings: Settings, files: dict[str, str], said: str) -> None:
    """The error has the end of what npm printed and names the log, and another try is not worth it."""
    repository, commit = changed(settings, files)
    with pytest.raises(BuildError, match=said) as caught:
        WebAppStore(settings.paths).put(
            build(settings, repository, commit).output, version=commit.sha, repo="r", branch="main"
        )
    assert caught.value.final
    assert caught.value.hint


def test_a_download_that_fails_may_be_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locked packages that cannot be fetched are no fault of the commit."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    wanted = {"left-pad": "1.3.0"}
    lock = {
        "name": "x",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "x", "version": "1.0.0", "dependencies": wanted},
            "node_modules/left-pad": {"version": "1.3.0", "resolved": "http://127.0.0.1:9/left-pad-1.3.0.tgz"},
        },
    }
    package = {**PACKAGE, "dependencies": wanted, "scripts": {"build": "node build.mjs"}}
    repository, commit = changed(
        settings, {"webapp/package.json": json.dumps(package), "webapp/package-lock.json": json.dumps(lock)}
    )
    with pytest.raises(BuildError, match="ECONNREFUSED") as caught:
        build(settings, repository, commit)
    assert not caught.value.final


def test_a_build_that_takes_too_long_is_ended(settings: Settings) -> None:
    """At the deadline npm and all that it started are gone, and it is said how long that was."""
    script = (
        'import { writeFileSync } from "node:fs";\nwriteFileSync("pid", `${process.pid}`);\nsetInterval(() => {}, 9);\n'
    )
    repository, commit = changed(settings, {"webapp/build.mjs": script})
    with pytest.raises(BuildError, match="not built within 3 s"):
        build(settings, repository, commit, Timings(webapp_build=3, child_stop=1))
    pid = (settings.paths.builds / commit.sha[:12] / "source" / "webapp" / "pid").read_text()
    with suppress(psutil.NoSuchProcess):  # a zombie is one that nobody has reaped yet
        assert psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE


def test_without_npm_that_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where npm is not there the error names it."""
    repository, commit = changed(settings, {"webapp/src/note.txt": "new\n"})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PrerequisiteError, match="npm is not installed"):
        build(settings, repository, commit)


def test_a_commit_without_a_web_app_has_none(settings: Settings) -> None:
    """A repository from before the web app is told from one whose build fails."""
    repository = ensure_sample_repository(settings.paths)
    (repository.path / "webapp" / "package.json").unlink()
    commit = commit_change(repository, "Remove it", {"README.md": "none\n"})
    subprocess.run(["git", "-C", str(repository.path), "rm", "-rq", "--cached", "webapp"], check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(repository.path), *identity, "commit", "-qm", "Without it"], check=True)
    sha = subprocess.run(
        ["git", "-C", str(repository.path), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    with pytest.raises(CommitError, match="no web app"):
        build(settings, repository, Commit(sha, commit.time, "Without it"))
