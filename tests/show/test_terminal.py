"""What the command line prints for people."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from k1nb import show
from k1nb.checks import Check, Status, Verdict
from k1nb.config import Settings
from k1nb.device import Device
from k1nb.firmware import Artifact, Deployment, Grade
from k1nb.records import Archive
from k1nb.records._record import Manifest, Record
from k1nb.records._staging import Staging
from k1nb.stack import ServiceStatus
from tests.show.samples import BUILD, PIPELINE, START, at, execution, readings, task
from tests.show.test_tables import PLAN

DEVICE = Device("demo", "02:4B:31:00:00:01", "127.0.0.1", 18080, 13232, kind="simulator")
CHECKS = (
    Check("fine [bold]x[/bold]", Status.OK, "seen [red]"),
    Check("absent", Status.NOT_CONFIGURED, "no reason"),
    Check("broken", Status.FAIL, "saw this", "mend that"),
)


def printed(function: Any, *arguments: Any, width: int = 200, **options: Any) -> str:
    """Return what is printed to a console that is no terminal."""
    out = io.StringIO()
    function(Console(file=out, width=width, highlight=False), *arguments, **options)
    return out.getvalue()


def record(**values: Any) -> Record:
    """Return a record with these values."""
    known: dict[str, Any] = {"run": "20260301-040000-daily_health-0a1b2c", "notebook": "daily_health"}
    known |= {"started_at": START, "ended_at": at(3), "verdict": Verdict.FAIL, "checks": CHECKS}
    return Record(Manifest(**known | values), Path("/records/x"))


def test_checks_come_worst_first_with_their_hints_and_no_markup() -> None:
    """The worst check comes first, hints stand below, and what a check says is printed as it is."""
    text = printed(show.print_checks, CHECKS)
    assert text.index("broken") < text.index("fine") < text.index("absent")
    assert "hint: mend that" in text
    assert "seen [red]" in text
    assert "not configured" in text


def test_a_plan_is_printed_with_its_id() -> None:
    """A plan's id and steps are printed."""
    assert PLAN.id in printed(show.print_plan, PLAN)


def test_an_execution_is_printed_with_its_childrens_tasks() -> None:
    """Tasks are listed with status, length and attempts; a child's stand below their task."""
    text = printed(show.print_execution, PIPELINE, {BUILD.id: BUILD})
    assert "the device did not answer" in text
    assert "  platformio_compile" in text
    assert "attempt 2" in text
    assert "FAILED_WITH_TERMINAL_ERROR" in text
    assert "platformio_compile" not in printed(show.print_execution, PIPELINE)


def test_a_reason_stands_once_where_its_task_does() -> None:
    """The task of a sub-workflow does not repeat the reason of the task below; one without children tells its own."""
    why = "no repository 'nope'"
    compiled = replace(task("compile", "FAILED", 1, 1, 2), reason=why)
    child = execution("firmware-build", "FAILED", compiled, reason=why)
    build = replace(task("build", "FAILED", 0, 0, 3, child=child.id), reason=why)
    parent = execution("firmware-ci-cd-pipeline", "FAILED", build)
    assert printed(show.print_execution, parent, {child.id: child}).count(why) == 1
    assert printed(show.print_execution, parent).count(why) == 1


@pytest.mark.parametrize(("width", "lines"), [(60, 6), (80, 5), (200, 3)])
def test_an_execution_is_shown_on_any_terminal(width: int, lines: int) -> None:
    """A task keeps its line; where its reason does not fit beside, it stands below, with nothing lost of it."""
    why = "no repository 'nope' is set; " + " ".join(["name", "it"] * 8)
    tasks = replace(task("validate_the_commit", "FAILED_WITH_TERMINAL_ERROR", 0, 0, 1), reason=why)
    text = printed(show.print_execution, execution("firmware-build", "FAILED", tasks), width=width)
    assert re.search(r"^validate_the_commit +FAILED_WITH_TERMINAL_ERROR +1\.0 s", text, re.MULTILINE)
    assert why in " ".join(text.split())
    assert len(text.splitlines()) <= lines
    assert max(map(len, text.splitlines()[1:])) <= width


LONG = f"commit 338eeb216a4a does not build: src/main.c:31:11: error: {'x ' * 300}\nIn file included from main.h"


@pytest.mark.parametrize("width", [40, 80, 100, 150, 190, 240])
def test_executions_are_listed_on_any_terminal(width: int) -> None:
    """Wide, an execution has at most two lines; narrow, it is a block. No name or id is folded, no line too long."""
    identity = "0ea6e30f-171c-488f-850f-2084050f3f27"
    failed = execution("firmware-build-failure-handler", "FAILED", id=identity, reason=LONG)
    lines = printed(show.print_executions, [failed], width=width).splitlines()
    text = "\n".join(lines)
    assert identity in text or width == 40
    assert failed.name in text or width == 40
    assert "338eeb216a4a" in text
    assert max(map(len, lines)) <= width
    assert len(lines) <= (3 if width >= 190 else 9 if width >= 80 else 14)


def test_a_record_is_printed_with_all_it_holds() -> None:
    """Verdict, reason, parameters, executions, checks and files of a record are printed."""
    text = printed(
        show.print_record,
        record(
            reason="it broke", parameters={"hours": 3}, executions=("e-1",), artifacts=("f00",), files={"a.txt": "0"}
        ),
    )
    for word in ("FAIL", "it broke", "hours=3", "execution: e-1", "artifact: f00", "mend that", "a.txt", "/records/x"):
        assert word in text


def test_records_are_listed_one_a_line() -> None:
    """A list of records tells verdict, run, time and reason or counts; a running one is called running."""
    running = Record(record(ended_at=None, verdict=Verdict.INTERRUPTED, checks=()).manifest, Path("/x"), running=True)
    text = printed(show.print_records, [record(), running, record(reason="lost")])
    assert "1 FAIL, 1 OK, 1 not configured" in text
    assert "running" in text
    assert "lost" in text
    assert "k1nb run daily_health" in printed(show.print_records, [])


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("cell 9: UnknownName: no device 'ghost' in the inventory (hint: …)", "give it what it wants"),
        ("cell 7: UsageError: no device is named", "give it what it wants"),
        ("cell 7: ConductorUnreachable: no answer", "go on with k1nb run --resume 20260301-040000"),
        ("cell 6: stopped by SIGINT", "go on with k1nb run --resume 20260301-040000"),
    ],
)
def test_a_broken_run_says_how_to_go_on(reason: str, hint: str) -> None:
    """It is worth resuming, but where it broke because of what it was given: that it would be given again."""
    broken = record(verdict=Verdict.INTERRUPTED, reason=reason, checks=())
    assert f"hint: {hint}" in printed(show.print_record, broken)


def test_a_damaged_record_can_be_printed(settings: Settings) -> None:
    """A record whose manifest is damaged is printed as UNKNOWN, in the list and by itself."""
    damaged = Staging(settings).settle(Staging(settings).begin("tiny"))
    (damaged.folder / "manifest.json").write_text("{")
    (found,) = Archive(settings.paths).list()
    assert "UNKNOWN" in printed(show.print_records, [found])
    assert "UNKNOWN" in printed(show.print_record, found)
    assert found.as_dict()["verdict"] == "UNKNOWN"


def test_services_are_listed() -> None:
    """Services are listed with state, pid and address; one that never ran has neither."""
    services = [
        ServiceStatus("conductor", "running", 4711, START, "http://127.0.0.1:8080/api", "400 MiB"),
        ServiceStatus("workers", "absent"),
    ]
    text = printed(show.print_services, services)
    for word in ("conductor", "running", "4711", "http://127.0.0.1:8080/api", "2026-03-01 04:00:00", "absent"):
        assert word in text


def test_devices_are_listed() -> None:
    """Devices are listed with MAC, ports, role and kind; an empty inventory says how to fill it."""
    text = printed(show.print_devices, [DEVICE])
    for word in ("demo", "02:4B:31:00:00:01", "18080", "13232", "test", "simulator"):
        assert word in text
    assert "k1nb device add" in printed(show.print_devices, [])


@pytest.mark.parametrize(("stamp", "word"), [("k1-0123456789ab", "k1-0123456789ab"), (None, "none shown")])
def test_readings_are_printed_with_their_units(stamp: str | None, word: str) -> None:
    """A device's readings are printed with units, and a missing stamp is said to be missing."""
    text = printed(show.print_readings, DEVICE, readings(stamp=stamp))
    for expected in (word, "118.4 fps", "4.31 ms", "212,992 B", "26 h 03 min", "lava"):
        assert expected in text


def test_an_artifact_is_shown_with_where_it_went() -> None:
    """Its facts stand one on a line; each deployment has a line, and one that was never sent says so."""
    artifact = Artifact(
        id="a" * 64,
        path=Path("/store/a.bin"),
        md5="b" * 32,
        size=131_520,
        project_name="k1",
        version="c" * 40,
        environment="esp32",
        repo="K1.node1",
        branch="main",
        stamp=None,
        flash_percent=60.25,
        ram_percent=None,
        warnings=0,
        stored_at=START,
    )
    sent = Deployment(
        1, "02:4B:31:00:00:01", artifact.id, "execution", "test", Grade.HEALTHY, None, [], START, START, START
    )
    shown = printed(show.print_artifact, artifact, [sent])
    for text in ("a" * 64, "c" * 40, "131,520 B, flash 60.2 %", "none: the device cannot show", "not ended", "HEALTHY"):
        assert text in shown
    assert "never sent to a device" in printed(show.print_artifact, artifact, [])
