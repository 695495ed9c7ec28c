"""A server's definitions as files, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import Conductor, apply_definitions, diff, export_definitions, load, plan_definitions
from k1nb.conductor._normal import lean, normal, text_of
from k1nb.errors import StorageError, UnknownName, UsageError
from k1nb.paths import share
from k1nb.workers import lint_folder
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined, unique

SHIPPED = load()
NAMES = {*SHIPPED.tasks, *(name for name, _ in SHIPPED.workflows)}
FILES = sorted(file for kind in ("tasks", "workflows") for file in (share("data") / kind).glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_shipped_files_are_in_the_form_of_an_export(file: Path) -> None:
    """A shipped file reads as an export would write it; `k1nb definitions export` brings one into this form."""
    text = file.read_text(encoding="utf-8")
    assert text_of(json.loads(text)) == text


def test_an_export_is_byte_for_byte_what_was_applied(conductor: Conductor, tmp_path: Path) -> None:
    """What comes back from a server with the shipped definitions is the shipped files, and there is nothing to do."""
    exported = export_definitions(conductor, tmp_path, NAMES)
    found = {item.file.relative_to(tmp_path): item.file.read_bytes() for item in exported}
    assert found == {file.relative_to(share("data")): file.read_bytes() for file in FILES}
    definitions, findings = lint_folder(tmp_path)
    assert findings == []
    server = conductor.task_definitions(), conductor.workflow_definitions()
    assert [d for d in diff(definitions, *server) if d.kind.value != "only on the server"] == []
    assert plan_definitions(definitions, *server).steps == ()


def test_an_export_over_an_export_writes_nothing(conductor: Conductor, tmp_path: Path) -> None:
    """What says the same already is left alone."""
    assert {item.written for item in export_definitions(conductor, tmp_path, ["k1nb-ready"])} == {True}
    before = (tmp_path / "workflows" / "k1nb-ready.json").stat().st_mtime_ns
    assert {item.written for item in export_definitions(conductor, tmp_path, ["k1nb-ready"])} == {False}
    assert (tmp_path / "workflows" / "k1nb-ready.json").stat().st_mtime_ns == before


def test_what_somebody_wrote_is_not_overwritten(conductor: Conductor, tmp_path: Path) -> None:
    """A file that says something else stops the export before anything is written, unless that is consented to."""
    mine = tmp_path / "workflows" / "k1nb-ready.json"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UsageError, match=r"k1nb-ready\.json would be overwritten"):
        export_definitions(conductor, tmp_path, ["k1nb-ready", "ready_probe"])
    assert mine.read_text() == "mine"
    assert not (tmp_path / "tasks").exists()
    export_definitions(conductor, tmp_path, ["k1nb-ready", "ready_probe"], overwrite=True)
    assert set(load(tmp_path).workflows) == {("k1nb-ready", 1)}


def test_an_unreadable_file_is_named(conductor: Conductor, tmp_path: Path) -> None:
    """Something that is no text file stands in the way, and is named."""
    (tmp_path / "workflows" / "k1nb-ready.json").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"k1nb-ready\.json"):
        export_definitions(conductor, tmp_path, ["k1nb-ready"])


def test_an_unknown_name_is_refused(conductor: Conductor, tmp_path: Path) -> None:
    """A name that the server does not have is named, and nothing is written."""
    with pytest.raises(UnknownName, match="nobody"):
        export_definitions(conductor, tmp_path, ["k1nb-ready", "nobody"])
    assert not list(tmp_path.iterdir())


def test_every_version_has_its_file(conductor: Conductor, tmp_path: Path) -> None:
    """The newest version is in the file of the name, older ones beside it, and all are read again."""
    name = unique("many-")
    definitions = defined(*(a_workflow(a_use(), name=name, version=n, timeoutSeconds=n) for n in (1, 2, 10)))
    apply_definitions(conductor, definitions, plan_definitions(definitions, [], []))
    files = {item.file.name for item in export_definitions(conductor, tmp_path, [name])}
    assert files == {f"{name}.json", f"{name}.v1.json", f"{name}.v2.json"}
    assert json.loads((tmp_path / "workflows" / f"{name}.json").read_text())["version"] == 10
    assert load(tmp_path).workflows == {key: lean(workflow) for key, workflow in definitions.workflows.items()}


def test_a_name_stays_inside_its_folder(conductor: Conductor, tmp_path: Path) -> None:
    """A name with slashes in it, which the server takes, is no way out of the folder."""
    task = a_task(f"../../{unique('out_')}")
    conductor.put_task_definitions([task])
    (item,) = export_definitions(conductor, tmp_path / "here", [task["name"]])
    assert item.file.parent == tmp_path / "here" / "tasks"
    assert load(tmp_path / "here").tasks == {task["name"]: task}


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 99), st.floats(0, 9), st.text(max_size=200))
_INPUTS = st.dictionaries(st.text(max_size=20), _VALUES | st.lists(_VALUES, max_size=9), max_size=9)


@given(
    inputs=_INPUTS, optional=st.booleans(), version=st.integers(1, 9), policy=st.sampled_from(["RETRY", "TIME_OUT_WF"])
)
def test_the_text_of_a_definition_says_what_it_says(
    inputs: dict[str, Any], optional: bool, version: int, policy: str
) -> None:
    """Whatever a definition holds, its text is read as the same, and is its own text again."""
    use = a_use(inputParameters=inputs, optional=optional, startDelay=0)
    workflow = a_workflow(
        a_switch(cases={"x": [use, an_end()], "y": []}), a_child(), version=version, inputTemplate=inputs
    )
    for definition in (workflow, a_task(timeoutPolicy=policy, retryCount=version - 1, inputTemplate=inputs)):
        text = text_of(definition)
        assert normal(json.loads(text)) == normal(definition)
        assert text_of(json.loads(text)) == text
        assert "createTime" not in text_of({**definition, "createTime": 5})
