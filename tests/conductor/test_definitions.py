"""Definitions as the files have them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k1nb.conductor import diff, load, plan_definitions
from k1nb.conductor._definitions import child_of, walk
from k1nb.errors import DefinitionError
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, defined


def _files(folder: Path, **files: Any) -> Path:
    """Write `tasks_x` and `workflows_x`, as JSON unless they are text already."""
    for name, content in files.items():
        kind, _, stem = name.partition("_")
        file = folder / kind / f"{stem}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return folder


def test_files_hold_one_definition_or_a_list_of_tasks(tmp_path: Path) -> None:
    """Tasks come singly or as a list, workflows singly, and both are found by their names."""
    folder = _files(tmp_path, tasks_a=a_task("one"), tasks_b=[a_task("two"), a_task("three")], workflows_c=a_workflow())
    definitions = load(folder)
    assert set(definitions.tasks) == {"one", "two", "three"}
    assert set(definitions.workflows) == {("build", 1)}


@pytest.mark.parametrize(
    ("files", "line", "word"),
    [
        ({"tasks_a": '{\n "name": "x",\n}'}, 3, "JSON"),
        ({"tasks_a": '{\n "name": "x",\n "timeoutSeconds": 1,\n "timeoutSeconds": 2\n}'}, 4, "timeoutSeconds"),
        ({"tasks_a": [a_task(), "x"]}, 1, "str"),
        ({"tasks_a": '{\n "retryCount": 1\n}'}, 1, "name"),
        ({"tasks_a": a_task(), "tasks_b": a_task()}, 1, "another file"),
        ({"workflows_a": [a_workflow()]}, 1, "list"),
        ({"workflows_a": a_workflow(version=None)}, 2, "version"),
        ({"workflows_a": a_workflow(version=True)}, 2, "version"),
        ({"workflows_a": a_workflow(tasks={})}, 2, "tasks"),
        ({"workflows_a": a_workflow({"name": "compile"})}, 13, "taskReferenceName"),
        ({"workflows_a": a_workflow(a_switch(cases={"true": a_use()}))}, 13, "branch"),
        ({"workflows_a": a_workflow(a_use(inputParameters=["x"]))}, 13, "inputParameters"),
    ],
)
def test_what_is_no_definition_names_file_and_line(tmp_path: Path, files: dict[str, Any], line: int, word: str) -> None:
    """A file that cannot be read as definitions is named with the line and what is wrong there."""
    _files(tmp_path, **files)
    with pytest.raises(DefinitionError, match=rf"(?s)\.json:{line}: .*{word}"):
        load(tmp_path)


def test_an_empty_folder_is_no_set_of_definitions(tmp_path: Path) -> None:
    """Where there is nothing, nothing could ever be compared with the server, so that is an error."""
    with pytest.raises(DefinitionError, match="no definitions"):
        load(tmp_path)


def test_unreadable_bytes_are_refused(tmp_path: Path) -> None:
    """A file that is no text is named."""
    _files(tmp_path, tasks_a="x")
    (tmp_path / "tasks" / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DefinitionError, match=r"a\.json cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe, which nobody may ever write to, and a folder are named and not read."""
    make(_files(tmp_path, tasks_a=a_task()) / "tasks" / "b.json")
    with pytest.raises(DefinitionError, match=r"b\.json is no regular file"):
        load(tmp_path)


def test_a_number_beyond_reading_is_refused(tmp_path: Path) -> None:
    """A file with a number of more digits than Python reads is named."""
    _files(tmp_path, tasks_a='{"name": "a", "retryCount": ' + "9" * 5000 + "}")
    with pytest.raises(DefinitionError, match=r"a\.json cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("given", ["x", ["x"], {"name": ["child"], "version": 1}, {"name": "child", "version": []}])
def test_a_child_that_is_named_by_no_name_is_not_there(given: object) -> None:
    """Whatever stands where a sub-workflow's or a failure workflow's name and version belong, a plan can be made."""
    mine = a_workflow({**a_child(), "subWorkflowParam": given}, failureWorkflow=given)
    definitions = defined(mine, a_workflow(name="child"))
    assert child_of(mine["tasks"][0], definitions) is None
    assert len(plan_definitions(definitions, [], []).steps) == 2
    (changed, _) = diff(definitions, [], [a_workflow(a_child())])
    assert changed.changes


def test_walking_reaches_every_branch() -> None:
    """Cases, default, forks and loops are walked, however deep they lie."""
    inner = a_switch(cases={"true": [a_use("a")]}, default=[a_use("b")])
    fork = a_use("fork", type="FORK_JOIN", forkTasks=[[inner], [a_use("c")]])
    loop = a_use("loop", type="DO_WHILE", loopOver=[a_use("d")])
    assert [use["name"] for use in walk([fork, loop])] == ["fork", "decision", "a", "b", "c", "loop", "d"]


def test_task_types_are_those_that_need_a_worker() -> None:
    """Only SIMPLE tasks need a worker, and a type counts once."""
    workflow = a_workflow(a_use("a"), a_use("a", "again"), a_child(), a_switch(cases={"x": [a_use("b")]}))
    assert defined(workflow).task_types() == {"a", "b"}


def test_the_newest_version_is_found() -> None:
    """Without a version the newest is meant."""
    definitions = defined(a_workflow(), a_workflow(version=3), a_workflow(version=2))
    newest = definitions.workflow("build")
    assert newest is not None
    assert newest["version"] == 3
    assert definitions.workflow("build", 4) is None
    assert definitions.workflow("other") is None


def test_delays_are_scaled_and_nothing_else() -> None:
    """Tests may register copies that retry at once; time-outs stay as they are."""
    task = a_task(retryDelaySeconds=60, maxRetryDelaySeconds=600)
    copy = defined(task).with_delays(0.1).tasks["compile"]
    assert copy == {**task, "retryDelaySeconds": 6, "maxRetryDelaySeconds": 60}
