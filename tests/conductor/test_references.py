"""Rules for what `${…}` refers to, and for what tasks are given."""

from __future__ import annotations

from typing import Any

import pytest

from k1nb.conductor import Finding, lint
from k1nb.conductor._references import references
from tests.conductor.builders import a_child, a_task, a_use, a_workflow, an_end, defined

CHILD = a_workflow(
    a_use(inputParameters={"repo": "x"}),
    an_end(inputParameters={"terminationStatus": "FAILED", "workflowOutput": {"why": "x"}}),
    name="child",
    outputParameters={"done": "${compile.output.image}"},
)


def _findings(*uses: dict[str, Any], **changes: Any) -> list[Finding]:
    workflow = a_workflow(*(uses or [a_use()]), timeoutSeconds=7200, **changes)
    return lint(defined(a_task(), CHILD, workflow))


def test_references_are_found_wherever_they_are() -> None:
    """Texts, lists and maps are searched, and one text may hold several references."""
    value = {"a": ["${x.output.b} and ${workflow.workflowId}"], "c": {"d": "${y.input.e}"}, "n": 5}
    assert list(references(value)) == ["x.output.b", "workflow.workflowId", "y.input.e"]


@pytest.mark.parametrize(
    "path",
    [
        "workflow.input.repo",
        "workflow.input",
        "workflow.workflowId",
        "compile.output.image",
        "compile.output",
        "compile.reasonForIncompletion",
        "child.output.done",
        "child.output.why",
        "child.output.subWorkflowId",
    ],
)
def test_what_is_there_may_be_referred_to(path: str) -> None:
    """Declared inputs, written outputs, a child's outputs on both its ends, and what Conductor adds are known."""
    uses = [a_use(), a_child(inputParameters={"repo": "x"})]
    assert _findings(*uses, outputParameters={"x": f"${{{path}}}"}) == []


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("K1-INPUT", "workflow.input.brnach"),
        ("R18", "complie.output.image"),
        ("K1-OUTPUT", "compile.output.imgae"),
        ("K1-OUTPUT", "child.output.dnoe"),
    ],
)
def test_what_is_always_null_is_found(code: str, path: str) -> None:
    """A reference to what nobody declares or writes is found, in inputs and in outputs."""
    reference = f"a ${{{path}}} b"
    in_output = _findings(a_use(), a_child(), outputParameters={"x": reference})
    in_input = _findings(a_use(inputParameters={"repo": reference}), a_child())
    for findings, place in ((in_output, "outputParameters"), (in_input, "compile")):
        assert [(f.code, f.where) for f in findings] == [(code, f"workflow build v1: {place}")]
        assert f"${{{path}}}" in findings[0].text


@pytest.mark.parametrize(
    ("uses", "changes", "word"),
    [
        ([a_use(inputParameters={"rpeo": "x"})], {}, "rpeo"),
        ([a_child(inputParameters={"rpeo": "x"})], {}, "rpeo"),
        ([], {"inputTemplate": {"rpeo": "x"}}, "rpeo"),
    ],
)
def test_inputs_that_nobody_takes_are_found(uses: list[dict[str, Any]], changes: dict[str, Any], word: str) -> None:
    """An input that the task, the child or the workflow itself does not declare is found."""
    (finding,) = _findings(*uses, **changes)
    assert finding.code == "K1-INPUT"
    assert word in finding.text
