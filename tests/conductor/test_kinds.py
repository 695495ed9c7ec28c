"""Values of the wrong kind: found, and no other rule stumbles over them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import Definitions, lint, load
from k1nb.conductor._kinds import CHILD, TASK, USE, WORKFLOW, readable
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined

SOUND = (
    a_task(),
    a_workflow(a_use(), name="child"),
    a_workflow(
        a_switch(cases={"default": [a_child()], "x": []}, default=[an_end()]),
        a_use("fork", type="FORK_JOIN", forkTasks=[[a_use("compile", "left")], [a_use("compile", "right")]]),
        a_use("join", type="JOIN", joinOn=["left", "right"]),
        a_use("wait", type="WAIT", inputParameters={"duration": "1 s"}),
        a_use("loop", type="DO_WHILE", loopCondition="x", loopOver=[a_use("compile", "inside")]),
        failureWorkflow="child",
    ),
)
_ODD = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], [1], ["x"], {}, {"x": 1}, {"name": ["x"], "version": {}}])


def _uses(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    from k1nb.conductor._definitions import walk

    return list(walk(workflow["tasks"]))


@given(data=st.data())
def test_whatever_a_value_is_every_rule_can_read_on(data: st.DataObject) -> None:
    """Values of any kind under any key are no more than findings: what load accepts is what lint can read."""
    task, child, workflow = copy.deepcopy(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        use = data.draw(st.sampled_from(_uses(workflow)))
        place, keys = data.draw(
            st.sampled_from(
                [(task, TASK), (child, WORKFLOW), (workflow, WORKFLOW), (use, {**USE, "inputParameters": 1})]
            )
        )
        key = data.draw(st.sampled_from(sorted(keys)))
        if key != "inputParameters" or place in (child, workflow):
            place[key] = data.draw(_ODD)
        if use.get("type") == "SUB_WORKFLOW":
            use["subWorkflowParam"] = {name: data.draw(_ODD) for name in CHILD}
    findings = lint(defined(task, child, workflow))
    assert all(finding.text and finding.mend for finding in findings)


def test_what_is_sound_is_read_as_it_is() -> None:
    """Only what is of the wrong kind is left out."""
    for definitions in (load(), defined(*SOUND)):
        assert readable(definitions) == definitions


@pytest.mark.parametrize("key", sorted({*TASK} - {"inputKeys", "outputKeys"}))
def test_null_is_of_no_kind(key: str) -> None:
    """A key that says null is a finding: Conductor would take it for 0, or for left out."""
    task = {**a_task(), key: None}
    found = {finding.code for finding in lint(Definitions({"compile": task})) if key in finding.text}
    assert found & {"K1-KIND", "K1-NUMBER"}
