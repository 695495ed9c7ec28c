"""Tests of how the server is started fast."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.stack import Java, find_java, server_jar
from k1nb.stack._boot import FIRST_WITH_CACHE, Training, boot, boot_now
from k1nb.stack._services import JAVA_OPTIONS, describe
from k1nb.timings import Timings


@pytest.fixture
def java(settings: Settings) -> Java:
    """Return the Java that runs the server."""
    return find_java(settings)


@pytest.fixture
def never() -> Training:
    """Return a training that is never ready; what is tested ends before."""
    return Training("", lambda: False, Timings())


def place_of(cache: Path) -> Path:
    """Return the one folder in which a cache keeps the server."""
    (place,) = (cache / "server").iterdir()
    return place


@pytest.fixture
def unpacked(settings: Settings, conductor_url: str, tmp_path: Path) -> Path:  # noqa: ARG001 - it unpacks the server
    """Return a cache of the test's own in which the server is unpacked, and nothing more."""
    original = next(settings.cache.glob("server/*/app"))
    place = tmp_path / "cache" / "server" / original.parent.name
    place.mkdir(parents=True)
    (place / "app").symlink_to(original)
    return tmp_path / "cache"


def test_the_stack_starts_the_server_from_its_cache(settings: Settings, conductor_url: str) -> None:  # noqa: ARG001
    """Once a server was started, the next start has nothing to prepare, and uses the classes' cache."""
    said: list[str] = []
    command = describe(settings, "conductor", said.append).command
    assert said == []
    (option,) = [word for word in command if word.startswith("-XX:AOTCache=")]
    assert Path(option.partition("=")[2]).stat().st_size > 10_000_000


def test_a_jar_that_cannot_be_unpacked_is_started_as_it_is(java: Java, never: Training, tmp_path: Path) -> None:
    """A jar without the tools to unpack it is run by itself, and somebody is told."""
    jar, said = tmp_path / "plain.jar", list[str]()
    jar.write_bytes(b"no jar")
    assert boot(java, jar, (), tmp_path / "cache", never, said.append) == ("-jar", str(jar))
    assert "starts slowly" in said[-1]
    assert not (place_of(tmp_path / "cache") / "app").exists()


def test_a_training_that_fails_is_said_and_not_repeated(
    settings: Settings, java: Java, never: Training, unpacked: Path
) -> None:
    """Without a cache the unpacked server is started; the failure is kept, so that no later start waits for it."""
    jar, said = server_jar(settings), list[str]()
    start = boot(java, jar, ("-XX:+NoSuch",), unpacked, never, said.append)
    assert start == ("-jar", str(place_of(unpacked) / "app" / jar.name))
    assert "exit status" in said[-1]
    assert boot(java, jar, ("-XX:+NoSuch",), unpacked, never, said.append) == start
    assert len(said) == 2
    left = [file.name for file in place_of(unpacked).iterdir() if not file.name.startswith(".lock")]
    assert sorted(name.rpartition(".")[2] for name in left) == ["app", "failed"]


def test_a_java_that_writes_no_cache_is_not_trained(
    settings: Settings, java: Java, never: Training, unpacked: Path
) -> None:
    """Java below 25 starts the unpacked server."""
    old, said = Java(java.path, FIRST_WITH_CACHE - 1), list[str]()
    assert boot(old, server_jar(settings), (), unpacked, never, said.append)[0] == "-jar"
    assert said == []


def test_another_java_or_option_has_another_cache(
    settings: Settings, java: Java, never: Training, unpacked: Path
) -> None:
    """A cache is for one Java and one set of options: each other combination is trained by itself."""
    jar, said = server_jar(settings), list[str]()
    boot(java, jar, ("-XX:+NoSuch",), unpacked, never, said.append)
    boot(java, jar, ("-XX:+NoSuch", "-Xmx300m"), unpacked, never, said.append)
    boot(Java(java.path, java.version, "another"), jar, ("-XX:+NoSuch",), unpacked, never, said.append)
    assert len(list(place_of(unpacked).glob("*.failed"))) == 3


def test_java_runs_without_a_damaged_cache(java: Java, tmp_path: Path) -> None:
    """A cache that is none is left aside by Java: the program starts all the same."""
    damaged = tmp_path / "damaged.aot"
    damaged.write_bytes(b"\0" * 100_000)
    command = [str(java.path), *JAVA_OPTIONS, f"-XX:AOTCache={damaged}", "-version"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_what_a_start_would_use_is_known_beforehand(
    settings: Settings,
    java: Java,
    conductor_url: str,  # noqa: ARG001 - it unpacks the server
    tmp_path: Path,
) -> None:
    """Without making anything, the arguments of the next start are told; where something must be made, none are."""
    jar = server_jar(settings)
    now = boot_now(java, jar, JAVA_OPTIONS, settings.cache)
    assert now is not None
    assert now == describe(settings, "conductor", print).command[-len(now) :]
    assert boot_now(java, jar, JAVA_OPTIONS, tmp_path) is None
    assert list(tmp_path.glob("server")) == []
