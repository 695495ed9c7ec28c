"""What `--json` prints is what docs/json.md says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from k1nb.cli._app import app
from k1nb.config import Settings
from k1nb.patterns import write_report
from tests.cli.test_app import k1nb
from tests.cli.test_rollback import bench, home
from tests.conductor.builders import a_use, a_workflow, defined, unique
from tests.conductor.hand import forget
from tests.conftest import BENCH, FreePort
from tests.patterns.samples import report

PAGE = (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
PLAIN: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
}  # fmt: skip
WIDTH = 120
LAG = 20.0
"""Seconds after which the server's search has found an execution that ended."""
LINES, OPTIONAL = "lines of ", ", optional"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
SHAPES = {
    section.partition("\n")[0]: dict(ROW.findall(section))
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}
COMMANDS = {
    command: prints.strip()
    for commands, prints in re.findall(r"^\| (`k1nb [^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    for command in re.findall(r"`k1nb ([^`]+)`", commands)
}


def wrong(value: Any, kind: str, place: str) -> Iterator[str]:
    """Yield where a value is not of the documented kind."""
    if kind.endswith(" or null"):
        yield from wrong(value, kind.removesuffix(" or null"), place) if value is not None else ()
    elif kind.startswith("list of "):
        items = enumerate(value) if isinstance(value, list) else ()
        yield from () if isinstance(value, list) else [f"{place} is no list"]
        for number, item in items:
            yield from wrong(item, kind.removeprefix("list of "), f"{place}[{number}]")
    elif kind in SHAPES:
        yield from _misshapen(value, SHAPES[kind], kind, place)
    elif not _plain(value, kind):
        yield f"{place} is no {kind}: {value!r}"


def _misshapen(value: Any, shape: dict[str, str], kind: str, place: str) -> Iterator[str]:
    there = value.keys() if isinstance(value, dict) else set()
    needed = {field for field, inner in shape.items() if not inner.endswith(OPTIONAL)}
    if not isinstance(value, dict) or not needed <= there <= shape.keys():
        yield f"{place} is no {kind}: {sorted(there) if there else value!r}"
        return
    for field, inner in shape.items():
        if field in there:
            yield from wrong(value[field], inner.removesuffix(OPTIONAL), f"{place}.{field}")


def _plain(value: Any, kind: str) -> bool:
    if kind == "any":
        return True
    if kind == "time":
        return isinstance(value, str) and "T" in value and datetime.fromisoformat(value).tzinfo is not None
    return isinstance(value, PLAIN[kind]) and isinstance(value, bool) is (kind == "boolean")


def held(settings: Settings, command: str, *words: str, codes: tuple[int, ...] = (0,)) -> Any:
    """Run a command, hold what it prints against the page, and return it; JSON lines as a list."""
    done = k1nb(settings, *command.split(), *words, "--json")
    assert done.returncode in codes, done.stderr
    kind = COMMANDS[command]
    if kind.startswith(LINES):
        kind = f"list of {kind.removeprefix(LINES)}"
        value = [json.loads(line) for line in done.stdout.splitlines()]
    else:
        value = json.loads(done.stdout)
    assert list(wrong(value, kind, "it")) == []
    return value


def _commands(command: Any, name: str = "") -> Iterator[str]:
    for inner, found in getattr(command, "commands", {}).items():
        yield from _commands(found, f"{name} {inner}".strip())
    if any("--json" in parameter.opts for parameter in command.params):
        yield name


def test_every_command_with_json_is_on_the_page() -> None:
    """No command prints JSON that the page doesn't tell of, and the page tells of no other."""
    told = {command.partition(" --")[0] for command in COMMANDS}
    assert set(_commands(typer.main.get_command(app))) == told


def test_every_shape_is_used_and_known() -> None:
    """Each kind that a table names is plain, or has its own table, and none is left over."""
    words = " ".join([*COMMANDS.values(), *(kind for shape in SHAPES.values() for kind in shape.values())])
    assert set(re.findall(r"\b[A-Z]\w+", words)) == set(SHAPES)


def test_no_line_of_the_page_is_too_long() -> None:
    """The page reads well without a viewer that wraps."""
    assert [line for line in PAGE.splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "doctor",
        "records list",
        "device list",
        "artifacts list",
        "definitions lint",
        "definitions lint --codes",
    ],
)
def test_without_anything_the_shapes_hold(settings: Settings, command: str) -> None:
    """In a fresh home each of these prints a whole document of its shape."""
    held(settings, command, codes=(0, 1))


def test_on_a_running_line_the_shapes_hold(line: Settings) -> None:
    """Services, devices and executions of a real stack are as the page says."""
    assert held(line, "up")
    assert held(line, "status")
    assert held(line, "device list")
    held(line, "device info", BENCH)
    held(line, "executions start", "k1nb-ready", "-i", "nonce=a")
    done = held(line, "executions start --follow", "k1nb-ready", "-i", "nonce=b")
    assert done["tasks"]
    held(line, "executions show", done["id"])
    assert held(line, "executions list")
    changes = held(line, "executions follow", done["id"])
    assert [(change["task"], change["status"]) for change in changes] == [
        ("ready_probe", "COMPLETED"),
        (None, "COMPLETED"),
    ]
    assert held(line, "executions repair", done["id"])


def test_definitions_and_interventions_are_as_the_page_says(line: Settings, tmp_path: Path) -> None:
    """A workflow that waits is applied, changed and exported; its execution is paused, ended and removed."""
    waits = a_use("gate", type="WAIT", inputParameters={"duration": "20 m"})
    workflow = a_workflow(waits, name=unique("json-"), description="as it was")
    try:
        _definitions(line, tmp_path, workflow)
        _interventions(line, workflow["name"])
    finally:
        forget(line.conductor_server_url, defined(workflow))


def _definitions(line: Settings, folder: Path, workflow: dict[str, Any]) -> None:
    """Hold what is said of a workflow that is new, then changed, then as in the files."""
    file, name = folder / "workflows" / f"{workflow['name']}.json", workflow["name"]
    file.parent.mkdir()
    file.write_text(json.dumps(workflow))
    applied = held(line, "definitions apply", str(folder))
    assert [(item["action"], item["status"]) for item in applied["report"]] == [("create", "applied")]
    file.write_text(json.dumps({**workflow, "description": None, "timeoutSeconds": 7200}))
    differences = held(line, "definitions diff", str(folder), codes=(1,))["differences"]
    changes = next(found["changes"] for found in differences if found["subject"] == f"workflow {name} v1")
    assert {(change["path"], *sorted(change)) for change in changes} == {
        ("description", "old", "path"),
        ("timeoutSeconds", "new", "old", "path"),
    }
    assert held(line, "definitions apply", str(folder))["plan"]["steps"]
    assert [item["status"] for item in held(line, "definitions export", str(folder / "out"), name)] == ["written"]


def _interventions(line: Settings, workflow: str) -> None:
    """Hold what is said of an execution that waits, and of one that has ended."""
    one = held(line, "executions start", workflow)["id"]
    assert held(line, "executions pause", one)["done"] == [one]
    assert held(line, "executions resume", one)["done"] == [one]
    assert list(held(line, "executions retry", one, codes=(1,))["refused"]) == [one]
    planned = held(line, "executions terminate", one, "-r", "enough")
    assert (planned["applied"], len(planned["plan"]["steps"])) == (False, 1)
    done = held(line, "executions terminate", one, "-r", "enough", "--apply", planned["plan"]["id"])
    assert [after["status"] for after in done["done"]] == ["TERMINATED"]
    assert held(line, "executions restart", one)["plan"]["steps"]
    assert held(line, "executions rerun", one)["plan"]["steps"]
    old = ("--workflow", workflow, "--days", "0")
    deadline = time.monotonic() + LAG
    while not (planned := held(line, "executions prune", *old))["plan"]["steps"]:
        assert time.monotonic() < deadline
    assert held(line, "executions prune", *old, "--apply", planned["plan"]["id"])["removed"] == [one]


def test_a_record_is_as_the_page_says(settings: Settings) -> None:
    """A run prints its record, and so do the archive's commands."""
    record = held(settings, "run", "prerequisites")
    assert record["checks"]
    assert held(settings, "records show", record["run"]) == record
    assert held(settings, "records list") == [record]
    assert [hit["run"] for hit in held(settings, "records search", "python")] == [record["run"]]
    assert held(settings, "records diff", record["run"], record["run"])["differ"] is False


def test_findings_are_as_the_page_says(settings: Settings, tmp_path: Path) -> None:
    """What is wrong with definitions is listed in the shape that the page gives it."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "workflows").mkdir()
    (tmp_path / "tasks" / "x.json").write_text('{"name": "x", "timeoutSeconds": 1, "responseTimeoutSeconds": 9}')
    assert held(settings, "definitions lint", str(tmp_path), codes=(1,))


def test_pattern_reports_are_as_the_page_says(settings: Settings) -> None:
    """Reports, one of them, and its promotion are printed in their shapes."""
    one = write_report(settings.paths, report(1, baseline=True)).stem
    assert held(settings, "patterns list")
    assert held(settings, "patterns show", one)["id"] == one
    assert held(settings, "patterns promote", one, "v1")["baseline"]["report"] == one


def test_a_rollback_and_its_artifacts_are_as_the_page_says(tmp_path: Path, free_port: FreePort) -> None:
    """The plan of a rollback, what becomes of it, and the artifacts that it chooses from have their shapes."""
    settings = home(tmp_path / "home", free_port)
    with bench(settings, free_port):
        artifacts = held(settings, "artifacts list")
        assert len(artifacts) == 2
        assert held(settings, "artifacts show", artifacts[0]["id"])["deployments"]
        assert len(held(settings, "device history", "demo")) == 2
        planned = held(settings, "rollback", "demo")
        assert planned["plan"]["steps"]
        words = ("demo", "--direct", "--apply", planned["plan"]["id"])
        assert held(settings, "rollback", *words)["result"]["outcome"] == "rolled_back"
