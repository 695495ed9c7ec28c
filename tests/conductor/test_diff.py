"""What differs between files and server, value by value."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1nb.conductor import Difference, Edit, diff, load
from k1nb.conductor._diff import MISSING
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, defined


def _changes(wanted: dict[str, Any], there: dict[str, Any]) -> list[str]:
    """Return the lines for one definition that the server has otherwise."""
    sides = ([there], []) if "tasks" not in there else ([], [there])
    found = diff(defined(wanted), *sides)
    assert [difference.kind.value for difference in found] in ([], ["changed"])
    return [str(change) for difference in found for change in difference.changes]


def test_each_definition_is_added_changed_or_only_on_the_server() -> None:
    """Files come first, tasks before workflows, then what only the server has."""
    found = diff(defined(a_workflow(), a_task("b"), a_task("a")), [a_task("b", retryCount=2), a_task("c")], [])
    assert [(d.subject, d.kind.value) for d in found] == [
        ("task a", "added"),
        ("task b", "changed"),
        ("workflow build v1", "added"),
        ("task c", "only on the server"),
    ]
    assert diff(load(), list(load().tasks.values()), list(load().workflows.values())) == []


@pytest.mark.parametrize(
    ("wanted", "there", "lines"),
    [
        (a_task(), a_task(timeoutSeconds=61), ["timeoutSeconds: 61 → 60"]),
        (a_task(), a_task(description="by hand"), ['description: "by hand" → (nothing)']),
        (a_task(), a_task(outputKeys=[]), ['outputKeys: (nothing) → ["image"]']),
        (a_task(inputTemplate={"x": True}), a_task(inputTemplate={"x": 1}), ["inputTemplate.x: 1 → true"]),
        (a_task(inputTemplate={"x": None}), a_task(inputTemplate={"x": 1}), ["inputTemplate.x: 1 → null"]),
        (
            a_workflow(a_use(), a_use("compile", "more")),
            a_workflow(a_use(optional=True)),
            ["tasks.compile.optional: true → false", "tasks.more: (nothing) → (SIMPLE task compile)"],
        ),
        (
            a_workflow(a_use("compile", "b"), a_use("compile", "a")),
            a_workflow(a_use("compile", "a"), a_use("compile", "b")),
            ['tasks.order: ["a", "b"] → ["b", "a"]'],
        ),
        (
            a_workflow(a_switch(cases={"true": [a_use(inputParameters={"repo": "x"})]})),
            a_workflow(a_switch(cases={"true": [a_use(inputParameters={"repo": "y"})]})),
            ['tasks.decision.decisionCases.true.compile.inputParameters.repo: "y" → "x"'],
        ),
        (
            a_workflow(a_use("fork", type="FORK_JOIN", forkTasks=[[a_use()], [a_use("other")]])),
            a_workflow(a_use("fork", type="FORK_JOIN", forkTasks=[[a_use()]])),
            ["tasks.fork.forkTasks.2: (nothing) → (tasks other)"],
        ),
        (
            a_workflow(a_child(subWorkflowParam={"name": "child", "version": 2})),
            a_workflow(a_child()),
            ["tasks.child.subWorkflowParam.version: 1 → 2"],
        ),
    ],
)
def test_a_change_names_the_way_to_it_and_both_values(
    wanted: dict[str, Any], there: dict[str, Any], lines: list[str]
) -> None:
    """A task stands in the path by its reference name, so that one more task is one change."""
    assert _changes(wanted, there) == lines


def test_long_texts_are_shown_where_they_differ() -> None:
    """Of two long texts a line shows the part from shortly before the first character that differs."""
    (line,) = _changes(
        a_task(description="a" * 300 + "new" + "b" * 300), a_task(description="a" * 300 + "old" + "b" * 300)
    )
    old, new = line.removeprefix("description: ").split(" → ")
    assert old.startswith("…aaaa")
    assert "aold" in old
    assert "anew" in new
    assert len(line) < 200


@pytest.mark.parametrize(
    ("changes", "matters"),
    [
        ({"description": "x"}, False),
        ({"ownerEmail": "somebody"}, False),
        ({"tasks": [a_use(description="x")]}, False),
        ({"tasks": [a_use(inputParameters={"description": "x"})]}, True),
        ({"timeoutSeconds": 9}, True),
        ({"outputParameters": {"description": "x"}}, True),
    ],
)
def test_what_executions_run_by_matters(changes: dict[str, Any], matters: bool) -> None:
    """Descriptions and owners change nothing of an execution; an input of that name does."""
    (found,) = diff(defined(a_workflow(a_use(), **changes)), [], [a_workflow(a_use())])
    assert found.matters is matters


def test_json_tells_null_from_nothing() -> None:
    """A value that is not there has no key, so that null is a value."""
    assert Edit("x", MISSING, None).as_dict() == {"path": "x", "new": None}
    (found,) = diff(defined(a_task()), [a_task(timeoutSeconds=61)], [])
    assert isinstance(found, Difference)
    assert found.as_dict() == {
        "subject": "task compile",
        "kind": "changed",
        "matters": True,
        "changes": [{"path": "timeoutSeconds", "old": 61, "new": 60}],
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=60)
@given(old=_JSON, new=_JSON)
def test_values_differ_exactly_where_their_json_does(old: Any, new: Any) -> None:
    """Whatever values an input has, there is a change if and only if the JSON is another one."""

    def workflow(value: Any) -> dict[str, Any]:
        return a_workflow(a_use(inputParameters={"repo": copy.deepcopy(value), "tasks": [{"taskReferenceName": "x"}]}))

    found = diff(defined(workflow(new)), [], [workflow(old)])
    assert bool(found) is (repr(old) != repr(new) and not _same(old, new))


def _same(old: Any, new: Any) -> bool:
    """Tell whether two values are the same JSON, for which the order of keys says nothing, and true is not 1."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return type(old) is type(new) and bool(old == new)
