from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import DownloadError, StorageError
from k1nb.stack import server_jar
from k1nb.stack._jar import SERVER, MavenFile, fetch, verified
from k1nb.timings import Timings

SMALL = MavenFile(
    group="org.hamcrest",
    name="hamcrest-core",
    version="1.3",
    sha256="66fdef91e9739348df7a096aa384a5685f4e875584cce89386a7a47251c4d8e9",
)
PATH = Path("org/hamcrest/hamcrest-core/1.3/hamcrest-core-1.3.jar")


def silent(_: str) -> None:
    """Take a line."""


def test_a_damaged_file_is_removed_and_fetched_again(tmp_path: Path) -> None:
    """A cut download left by an earlier run is taken neither for the file nor for a reason to give up."""
    damaged = tmp_path / PATH
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PK half a jar")
    said: list[str] = []
    path = fetch(SMALL, tmp_path, Timings(), said.append)
    assert path == damaged
    assert path.stat().st_size == 45_024
    assert said[0] == "hamcrest-core 1.3 is damaged: removing it"
    assert said[-1] == "fetching hamcrest-core 1.3: 100 % of 0.0 MB"
    assert verified(path, SMALL.sha256)


def test_a_wrong_sum_is_tried_twice_and_nothing_kept(tmp_path: Path) -> None:
    """Where another file is served than the pinned one, none of it stays."""
    said: list[str] = []
    with pytest.raises(DownloadError, match="wrong sum, twice"):
        fetch(replace(SMALL, sha256="0" * 64), tmp_path, Timings(), said.append)
    assert len([line for line in said if "damaged" in line]) == 2
    assert list(tmp_path.rglob("*.jar")) == []


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """What the repository doesn't have is a DownloadError, not a traceback of the library's."""
    with pytest.raises(DownloadError, match=r"hamcrest-core 0\.0\.0"):
        fetch(replace(SMALL, version="0.0.0"), tmp_path, Timings(), silent)


def test_a_verified_file_is_not_read_again_until_it_changes(tmp_path: Path) -> None:
    """The sum is taken once; another size or time makes it count again."""
    path = tmp_path / "some.jar"
    path.write_bytes(b"right")
    right = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9"
    assert verified(path, right)
    facts = path.stat()
    path.write_bytes(b"wrong")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert verified(path, right), "same size and time: the marker is believed"
    os.utime(path)
    assert not verified(path, right)
    assert [p.name for p in tmp_path.iterdir()] == ["some.jar"], "the marker is gone"


def test_the_server_is_at_hand(settings: Settings) -> None:
    """The pinned server comes from the cache, its sum verified."""
    jar = server_jar(settings)
    assert jar.name == f"conductor-server-{SERVER.version}-boot.jar"
    assert jar.stat().st_size == 457_974_967
    assert jar.with_name(jar.name + ".verified").is_file()


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """A cache below a file is a StorageError."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        fetch(SMALL, tmp_path / "file" / "cache", Timings(), silent)


def test_where_the_jar_is_kept_is_known_without_asking_maven(settings: Settings) -> None:
    """The path that is worked out from the coordinates is the one that the Maven client gives."""
    assert SERVER.path_in(settings.cache / "maven") == server_jar(settings)
