"""The innermost of the reasons that the server wraps into one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import Execution, Task
from k1nb.conductor._reason import innermost

TASK = "Task 2a799a1c-0b49-43b5-a01a-e8dd84c23b4f failed with status: FAILED and reason: '{}'"
CUT_SHORT = "Task 2b6a3808-e1cc-46c7-9934-9e9a68a436ed failed with status: TIMED_OUT and reason: '{}'"
CHILD = "Sub workflow firmware-build.1/c51e631f-c889-3128-9580-10415b1b05ab failure reason: {}"
PARENT = "Parent workflow has been terminated with reason: {}"
WRAPPINGS = (TASK, CUT_SHORT, CHILD, PARENT)

wrappings = st.lists(st.sampled_from(WRAPPINGS), max_size=6)
plain = st.text(min_size=1).filter(lambda text: text.strip() not in ("", "null"))


def _wrapped(text: str, *wrappings: str) -> str:
    for wrapping in reversed(wrappings):
        text = wrapping.format(text)
    return text


@given(plain, wrappings)
def test_the_innermost_is_found_however_deep(text: str, around: list[str]) -> None:
    """Whatever wrappings stand around a reason, in whatever order, the reason comes out unchanged."""
    assert innermost(_wrapped(text, *around)) == text


@given(st.text())
def test_a_text_without_wrapping_is_unchanged(text: str) -> None:
    """A text that the server did not wrap comes out as it is, an empty one too."""
    assert innermost(text) == text


@given(st.sampled_from(("", "null", " ", "'", "why")), wrappings.filter(bool), st.text(max_size=3), st.text(max_size=3))
def test_a_text_never_becomes_empty(text: str, around: list[str], before: str, after: str) -> None:
    """Of a text that says something something stays, whole or cut anywhere."""
    whole = before + _wrapped(text, *around) + after
    assert all(innermost(whole[:end]).strip() for end in range(len(whole)) if whole[:end].strip())


NULL = TASK.format("null")
TWO = f"{CHILD.format(TASK.format('no space'))} {CHILD.format(TASK.format('no cable'))}"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Task 2a799a1c-0b49-43b5-a01a-e8dd84c23b4f failed with status: FAILED and reason: 'Sub workflow "
            "firmware-build.1/c51e631f-c889-3128-9580-10415b1b05ab failure reason: Task "
            "31670006-fb16-4e67-b398-7f9d31d7b104 failed with status: FAILED and reason: 'no repository 'nope': none "
            "is set (set K1NB_REPOSITORIES to '{\"NAME\": \"/path/to/clone\"}')''",
            "no repository 'nope': none is set (set K1NB_REPOSITORIES to '{\"NAME\": \"/path/to/clone\"}')",
        ),
        (_wrapped("it says 'no'", TASK, CHILD, TASK, CHILD, TASK), "it says 'no'"),
        (_wrapped("by me: it 'hangs'", PARENT, PARENT), "by me: it 'hangs'"),
        (
            _wrapped("Workflow is FAILED by TERMINATE task: 64273a0f-25de-47d5-9a45-848d756503ac", TASK, CHILD),
            "Workflow is FAILED by TERMINATE task: 64273a0f-25de-47d5-9a45-848d756503ac",
        ),
        (_wrapped("first line\nsecond line", TASK), "first line\nsecond line"),
        (_wrapped("null", TASK, CHILD, TASK), NULL),
        (_wrapped("", TASK, CHILD, TASK), TASK.format("")),
        (_wrapped("cut sho", TASK)[:-1], _wrapped("cut sho", TASK)[:-1]),
        (TWO, TWO),
        (f"the build: {_wrapped('no space', TASK)}", f"the build: {_wrapped('no space', TASK)}"),
    ],
)
def test_the_servers_texts(said: str, reason: str) -> None:
    """Texts as Conductor gives them: nested, quoted, of several lines, around nothing, cut, two in a row."""
    assert innermost(said) == reason


def test_an_execution_tells_the_innermost_and_json_the_servers_words() -> None:
    """What people read is the innermost reason, of executions and of tasks; as data the server's words stay."""
    said = _wrapped("no space", CHILD, TASK)
    task = {"taskId": "t", "taskType": "build", "referenceTaskName": "b", "status": "FAILED"}
    data = {"workflowId": "e", "workflowName": "x", "status": "FAILED", "reasonForIncompletion": said}
    for read in (
        Execution.from_json(data),
        Task.from_json({**task, "reasonForIncompletion": said}),
    ):
        assert read.reason == "no space"
        assert read.as_dict()["reason"] == said
    plain = Execution.from_json({**data, "reasonForIncompletion": "no space"})
    assert plain.reason == plain.as_dict()["reason"] == "no space"
