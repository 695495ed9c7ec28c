"""The sample repository and one build of it, shared by all tests of this room."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from k1nb.firmware import Build, Commit, Repository, build_commit, build_folder, commit_change, ensure_sample_repository
from k1nb.paths import Paths
from k1nb.timings import Timings

ENVIRONMENT = "esp32-s3-devkitc-1"


def build(paths: Paths, repository: Repository, commit: Commit, name: str, environment: str = ENVIRONMENT) -> Build:
    """Build a commit in a folder of that name, to its end."""
    folder, log = build_folder(paths, name), paths.logs / f"{name}.log"
    return asyncio.run(build_commit(repository, commit, environment, folder, log, Timings()))


@pytest.fixture(scope="session")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A home whose path has a space in it, as many a user's has."""
    home = tmp_path_factory.mktemp("a home")
    return Paths(home, home / "cache", home / "artifacts")


@pytest.fixture(scope="session")
def sample(paths: Paths) -> Repository:
    """The demo's repository of sample firmware."""
    return ensure_sample_repository(paths)


@pytest.fixture(scope="session")
def commit(sample: Repository) -> Commit:
    """A commit that builds and is healthy."""
    return commit_change(sample)


@pytest.fixture(scope="session")
def built(paths: Paths, sample: Repository, commit: Commit) -> Build:
    """That commit's build."""
    return build(paths, sample, commit, "shared")


@pytest.fixture(scope="session")
def image(built: Build) -> bytes:
    """The bytes of that build's image."""
    return Path(built.image).read_bytes()
