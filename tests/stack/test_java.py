from __future__ import annotations

from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import PrerequisiteError
from k1nb.stack import find_java
from k1nb.stack._java import OLDEST, ask_java, parse_version


def program(folder: Path, words: str) -> Path:
    """Write a program that says `words` on stderr, as Java does."""
    path = folder / "java"
    path.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "25.0.2" 2026-01-20 LTS', 25),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_412"', 8),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ("command not found", None),
    ],
)
def test_the_version_is_read_in_every_spelling(text: str, version: int | None) -> None:
    """Old, new and early-access versions are understood, anything else is none."""
    assert parse_version(text) == version


def test_there_is_a_java_that_runs_the_server(settings: Settings) -> None:
    """An installation brings a Java of its own."""
    java = find_java(settings)
    assert java.version >= OLDEST
    assert ask_java(java.path, 20) == java
    assert str(java.version) in java.description


def test_a_configured_java_that_is_too_old_is_refused(settings: Settings, tmp_path: Path) -> None:
    """It is named with its version, and no other is taken in its place."""
    old = settings.model_copy(update={"java": program(tmp_path, 'openjdk version "17.0.15" 2025-04-15')})
    with pytest.raises(PrerequisiteError, match="is Java 17") as caught:
        find_java(old)
    assert caught.value.hint == "correct or unset K1NB_JAVA"


@pytest.mark.parametrize("words", ["I am no Java", ""])
def test_a_program_that_is_no_java_is_refused(settings: Settings, tmp_path: Path, words: str) -> None:
    """A program that names no version is none."""
    with pytest.raises(PrerequisiteError, match="no Java"):
        find_java(settings.model_copy(update={"java": program(tmp_path, words)}))


def test_a_missing_java_is_refused(settings: Settings, tmp_path: Path) -> None:
    """A path where nothing is says so."""
    with pytest.raises(PrerequisiteError, match="does not run"):
        find_java(settings.model_copy(update={"java": tmp_path / "nowhere"}))
