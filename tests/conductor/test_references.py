"""Rules for what `${…}` refers to, and for what tasks are given."""

from __future__ import annotations

from typing import Any

import pytest

from k1nb.conductor import Finding, lint
from k1nb.conductor._references import references
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined

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
    in_input = _findings(a_use(), a_child(), a_use("compile", "last", inputParameters={"repo": reference}))
    for findings, place in ((in_output, "outputParameters"), (in_input, "last")):
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


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("workflow.inputs.repo", "inputs"),
        ("compile.outputs.image", "outputs"),
        ("compile.outputData", "outputData"),
        ("workflow.startTime", "startTime"),
    ],
)
def test_what_conductor_does_not_tell_is_found(path: str, word: str) -> None:
    """A fact that no task or execution has is found: the reference would be null."""
    (finding,) = _findings(a_use(), outputParameters={"x": f"${{{path}}}"})
    assert finding.code == "R18"
    assert word in finding.text


def test_an_index_is_no_part_of_a_name() -> None:
    """A reference may go into a list or a map by index."""
    assert _findings(a_use(), outputParameters={"x": "${compile.output.image[0].name}"}) == []


def test_a_reference_that_is_not_closed_is_found() -> None:
    """A text that opens a reference and does not close it would stay as it is."""
    (finding,) = _findings(a_use(inputParameters={"repo": "a ${workflow.input.repo"}))
    assert finding.code == "R18"


SWITCH = {
    "x": [a_use("compile", "one")],
    "y": [a_use("compile", "two", inputParameters={"repo": "${one.output.image}"})],
}
LOOP = a_use(
    "loop",
    type="DO_WHILE",
    loopCondition="$.two['image']",
    loopOver=[a_use("compile", "one", inputParameters={"repo": "${two.output.image}"}), a_use("compile", "two")],
)


@pytest.mark.parametrize(
    "uses",
    [
        [a_use(inputParameters={"repo": "${later.output.image}"}), a_use("compile", "later")],
        [a_use(inputParameters={"repo": "${compile.output.image}"})],
        [a_switch(cases=SWITCH)],
    ],
)
def test_what_cannot_have_run_yet_is_found(uses: list[dict[str, Any]]) -> None:
    """A reference to a later task, to itself, or to a task of another branch is always null."""
    (finding,) = _findings(*uses)
    assert finding.code == "R18"
    assert "later, or in another branch" in finding.text


def test_what_may_have_run_before_is_no_finding() -> None:
    """A branch may have run before what follows it, and a loop comes back to its first task."""
    after = a_use("compile", "after", inputParameters={"repo": "${one.output.image}"})
    assert _findings(a_switch(cases={"x": [a_use("compile", "one")]}), after) == []
    assert [f.code for f in _findings(LOOP)] == ["K1-PATH"]


@pytest.mark.parametrize("text", ["k1-${workflow.input.repo}", "/${compile.output.image}.bin", "${a.input.x}-b"])
def test_a_name_with_a_null_in_it_is_found(text: str) -> None:
    """A name that is built of what may be missing would have the text null in it."""
    assert "R17" in {f.code for f in _findings(a_use(), outputParameters={"x": text})}


@pytest.mark.parametrize(
    "text", ["${workflow.input.repo}", "built ${workflow.input.repo}", "k1-${workflow.workflowId}"]
)
def test_a_value_alone_a_sentence_and_what_is_never_missing_are_no_finding(text: str) -> None:
    """A null in a sentence misleads nobody, and an execution always has an id; a default is never null."""
    assert _findings(a_use(), outputParameters={"x": text}) == []
    defaulted = {"inputTemplate": {"repo": "K1.node1"}, "outputParameters": {"x": "k1-${workflow.input.repo}"}}
    assert _findings(a_use(), **defaulted) == []


HANDLER = ["workflowId", "failed_workflow_id", "repo", "other"]


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (["failed_workflow_id"], True),
        (["other", "failed_workflow_id"], True),
        (["workflowId", "failed_workflow_id"], False),
        (["repo"], False),
    ],
)
def test_a_failure_workflow_must_read_what_it_is_given(read: list[str], found: bool) -> None:
    """Of the names that one place of a failure workflow reads, Conductor or the failed workflow must give one."""
    words = {f"x{n}": f"${{workflow.input.{name}}}" for n, name in enumerate(read)}
    handler = a_workflow(name="handler", inputParameters=HANDLER, outputParameters={})
    handler["tasks"] = [a_use(inputParameters={"repo": list(words.values())})]
    findings = lint(defined(a_task(), handler, a_workflow(a_use(), timeoutSeconds=7200, failureWorkflow="handler")))
    assert [(f.code, f.where) for f in findings] == ([("R16", "workflow build v1")] if found else [])


def test_a_whole_execution_is_not_passed_on() -> None:
    """The failed execution as a whole is too much for an input; a value of it is not."""
    names = {"inputParameters": ["failedWorkflow"], "outputParameters": {"x": "${workflow.input.failedWorkflow}"}}
    assert [f.code for f in _findings(a_use(), **names)] == ["R19"]
    names["outputParameters"] = {"x": "${workflow.input.failedWorkflow.status}"}
    assert _findings(a_use(), **names) == []
