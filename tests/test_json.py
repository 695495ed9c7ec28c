"""What `--json` prints is what docs/json.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from k1nb.cli._app import app
from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.cli.test_rollback import bench, home
from tests.conftest import BENCH, FreePort

PAGE = (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
PLAIN: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
}  # fmt: skip
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
        yield from _misshapen(value, kind, place)
    elif not _plain(value, kind):
        yield f"{place} is no {kind}: {value!r}"


def _misshapen(value: Any, kind: str, place: str) -> Iterator[str]:
    if not isinstance(value, dict) or value.keys() != SHAPES[kind].keys():
        yield f"{place} is no {kind}: {sorted(value) if isinstance(value, dict) else value!r}"
        return
    for field, inner in SHAPES[kind].items():
        yield from wrong(value[field], inner.strip(), f"{place}.{field}")


def _plain(value: Any, kind: str) -> bool:
    if kind == "time":
        return isinstance(value, str) and "T" in value and datetime.fromisoformat(value).tzinfo is not None
    return isinstance(value, PLAIN[kind]) and isinstance(value, bool) is (kind == "boolean")


def held(settings: Settings, kind: str, *words: str, codes: tuple[int, ...] = (0,)) -> Any:
    """Run a command, hold what it prints against the page, and return it."""
    done = k1nb(settings, *words, "--json")
    assert done.returncode in codes, done.stderr
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
    assert set(_commands(typer.main.get_command(app))) == set(COMMANDS)


def test_every_shape_is_used_and_known() -> None:
    """Each kind that a table names is plain, or has its own table, and none is left over."""
    words = " ".join([*COMMANDS.values(), *(kind for shape in SHAPES.values() for kind in shape.values())])
    assert set(re.findall(r"\b[A-Z]\w+", words)) == set(SHAPES)


@pytest.mark.parametrize(
    "words", ["status", "doctor", "records list", "device list", "artifacts list", "definitions lint"]
)
def test_without_anything_the_shapes_hold(settings: Settings, words: str) -> None:
    """In a fresh home each of these prints a whole document of its shape."""
    held(settings, COMMANDS[words], *words.split(), codes=(0, 1))


def test_on_a_running_line_the_shapes_hold(line: Settings) -> None:
    """Services, devices and executions of a real stack are as the page says."""
    assert held(line, COMMANDS["up"], "up")
    assert held(line, COMMANDS["status"], "status")
    assert held(line, COMMANDS["device list"], "device", "list")
    held(line, COMMANDS["device info"], "device", "info", BENCH)
    held(line, COMMANDS["definitions apply"], "definitions", "apply")
    held(line, "Started", "executions", "start", "k1nb-ready", "-i", "nonce=a")
    done = held(line, "ExecutionTree", "executions", "start", "k1nb-ready", "-i", "nonce=b", "--follow")
    assert done["tasks"]
    held(line, COMMANDS["executions show"], "executions", "show", done["id"])
    held(line, COMMANDS["executions list"], "executions", "list")
    held(line, COMMANDS["executions repair"], "executions", "repair", done["id"])


def test_a_record_is_as_the_page_says(settings: Settings) -> None:
    """A run prints its record, and so do the archive's commands."""
    record = held(settings, COMMANDS["run"], "run", "prerequisites")
    assert record["checks"]
    assert held(settings, COMMANDS["records show"], "records", "show", record["run"]) == record
    assert held(settings, COMMANDS["records list"], "records", "list") == [record]


def test_findings_are_as_the_page_says(settings: Settings, tmp_path: Path) -> None:
    """What is wrong with definitions is listed in the shape that the page gives it."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "workflows").mkdir()
    (tmp_path / "tasks" / "x.json").write_text('{"name": "x", "timeoutSeconds": 1, "responseTimeoutSeconds": 9}')
    assert held(settings, COMMANDS["definitions lint"], "definitions", "lint", str(tmp_path), codes=(1,))


def test_a_rollback_and_its_artifacts_are_as_the_page_says(tmp_path: Path, free_port: FreePort) -> None:
    """The plan of a rollback, what becomes of it, and the artifacts that it chooses from have their shapes."""
    settings = home(tmp_path / "home", free_port)
    with bench(settings, free_port):
        assert len(held(settings, COMMANDS["artifacts list"], "artifacts", "list")) == 2
        planned = held(settings, COMMANDS["rollback"], "rollback", "demo")
        assert planned["plan"]["steps"]
        words = ("rollback", "demo", "--direct", "--apply", planned["plan"]["id"])
        assert held(settings, COMMANDS["rollback"], *words)["result"]["outcome"] == "rolled_back"
