"""The table of rules, and what the real server answers to a definition that breaks each of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from k1nb import conductor, workers
from k1nb._http import options
from k1nb.conductor import RULES, Answer, Definitions
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined, unique

Definition = dict[str, Any]
OK = 200
TASK = a_task(inputKeys=["repo"])
FINAL = a_task("final", retryCount=0, timeoutPolicy="TIME_OUT_WF")
CHILD = a_workflow(name="child")
FORK = a_use("fork", type="FORK_JOIN", forkTasks=[[a_use()], [a_use("final", "last")]])
LATE = "${last.output.image}"


def a_join(*on: str) -> Definition:
    """Return a JOIN on these tasks."""
    return a_use("join", type="JOIN", joinOn=list(on))


def a_wait(**words: Any) -> Definition:
    """Return a WAIT."""
    return a_use("wait", type="WAIT", inputParameters=words)


def given(value: Any) -> Definition:
    """Return a task with one input."""
    return a_use(inputParameters={"repo": value})


@dataclass(frozen=True)
class Broken:
    """A definition that breaks a rule, and the answer of Conductor 3.32.1 to it."""

    code: str
    definition: Definition
    status: int
    said: str = ""
    """Words of a refusal."""
    then: str = ""
    """What becomes of what was accepted, at run time."""


def _task(code: str, status: int, words: str, /, **changes: Any) -> Broken:
    definition = a_task(**{"name": "broken", **changes})
    return Broken(code, definition, status, *((words, "") if status != OK else ("", words)))


def _flow(code: str, status: int, words: str, /, *uses: Definition, **changes: Any) -> Broken:
    definition = a_workflow(*uses, **{"name": "broken", **changes})
    return Broken(code, definition, status, *((words, "") if status != OK else ("", words)))


TABLE = [
    _task("R1", OK, "it is tried four times, a minute apart", retryCount=None),
    _task("R1", OK, "its first time-out ends the workflow", timeoutPolicy=None),
    _task("R2", 400, "responseTimeoutSeconds: 61 must be less than timeoutSeconds: 60", responseTimeoutSeconds=61),
    _task("R2", 400, "3600 must be less than timeoutSeconds: 60", responseTimeoutSeconds=None),
    _task("R2", 400, "should be minimum 1 second", responseTimeoutSeconds=0),
    _task("R2", 400, "must be less than or equal to totalTimeoutSeconds: 59", totalTimeoutSeconds=59),
    _task("R3", 500, "ArrayList", inputKeys={"repo": "x"}),
    _task("R3", 500, "ArrayList", outputKeys="image"),
    _task("R3", OK, "the number becomes the text 1", outputKeys=[1]),
    _task("R3", OK, "nothing says what the task gives", outputKeys=None),
    _task("R4", 500, "[RETRY, TIME_OUT_WF, ALERT_ONLY]", timeoutPolicy="GIVE_UP"),
    _task("R4", 500, "[FIXED, EXPONENTIAL_BACKOFF, LINEAR_BACKOFF]", retryLogic="RANDOM"),
    _flow("R4", 500, "[TIME_OUT_WF, ALERT_ONLY]", timeoutPolicy="RETRY"),
    _flow("R5", OK, "dropped: the definition read back has no such key", a_use(retryLogic="FIXED", timeoutSeconds=5)),
    _flow("R6", 400, "schemaVersion: 2 is only supported", schemaVersion=1),
    _flow("R6", OK, "2 is taken", schemaVersion=None),
    _flow("R6", OK, "it never times out", timeoutSeconds=None),
    _flow("R7", OK, "it stays RUNNING past its time-out", timeoutPolicy="ALERT_ONLY"),
    _flow("R7", OK, "ALERT_ONLY is taken", timeoutPolicy=None),
    _task("R7", OK, "an attempt that hangs is never ended", timeoutPolicy="ALERT_ONLY"),
    _flow("R8", OK, "the task stays SCHEDULED for ever", a_use("unheard_of")),
    _flow("R9", 400, "subWorkflowParam field is required", a_use("child", type="SUB_WORKFLOW")),
    _flow("R9", OK, "the newest version runs", a_child(subWorkflowParam={"name": "child"})),
    _flow("R9", OK, "the start answers 500, of a null", a_child(subWorkflowParam={"version": 1})),
    _flow("R9", OK, "FAILED when it comes to it: No such workflow defined", a_child("orphan")),
    _flow("R11", 400, "Both 'duration' and 'until'", a_wait(duration="1 s", until="2027-03-01 12:00")),
    _flow("R11", 400, "Either date or duration is passed as null", a_wait(duration="soon")),
    _flow("R11", 400, "Unable to parse date", a_wait(until="tomorrow")),
    _flow("R11", OK, "it waits 2,147,483,647 s", a_wait(waitTime="3600")),
    _flow("R12", OK, "it waits until somebody answers", a_use("human", type="HUMAN")),
    _flow("R13", 400, "evaluatorType field is required", a_switch(cases={"x": [a_use()]}, evaluatorType=None)),
    _flow("R13", 400, "expression field is required", a_switch(cases={"x": [a_use()]}, expression=None)),
    _flow("R13", 400, "decisionCases should have atleast one task", a_switch(cases={})),
    _flow(
        "R13",
        OK,
        "FAILED at its start: No evaluator registered for type: cobol",
        a_switch(cases={"x": [a_use()]}, evaluatorType="cobol"),
    ),
    _flow("R13", OK, "the default runs, whatever comes", a_switch(cases={"x": [a_use()]}, expression="branch")),
    _flow("R13", OK, "nothing runs where no case matches", a_switch(cases={"x": [a_use()]}, defaultCase=None)),
    _flow("R13", OK, "JSON true runs the default", a_switch(cases={"True": [a_use()]})),
    _flow("R14", OK, "it runs", a_use("old", type="DECISION", caseValueParam="x", decisionCases={"x": [a_use()]})),
    _flow("R14", OK, "it is ignored", a_switch(cases={"x": [a_use()]}, caseValueParam="repo")),
    _flow("R15", OK, "the output says: failed to start, No such workflow defined", failureWorkflow="nobody"),
    _flow("R15", OK, "it is ignored", failureWorkflowVersion=1),
    _flow("R15", OK, "its start never answers: it starts itself without end", name="broken", failureWorkflow="broken"),
    _flow("R16", OK, "its task gets null", failureWorkflow="handler"),
    _flow("R17", OK, "without input the task gets k1-null", given("k1-${workflow.input.repo}")),
    _flow("R18", 400, "is not defined in workflow definition", given("${nobody.output.x}")),
    _flow("R18", 400, "is not valid", given("${ workflow.input.repo }")),
    _flow("R18", OK, "the output is null", outputParameters={"x": "${nobody.output.x}"}),
    _flow("R18", OK, "the task gets null", given(LATE), a_use("compile", "last")),
    _flow("R18", OK, "the task gets null", given("${workflow.inputs.repo}")),
    _flow("R18", OK, "the task gets this very text", given("${workflow.input.repo")),
    _flow("R19", OK, "the input grows with every level", given("${workflow.input.failedWorkflow}")),
    _flow("R21", 400, "forkTasks should have atleast one task", a_use("fork", type="FORK_JOIN"), a_join()),
    _flow("R21", OK, "FAILED at its start: not followed by a join task", FORK),
    _flow("R21", OK, "it goes on before the other branch has ended", FORK, a_join("compile")),
    _flow("R21", OK, "the JOIN stays IN_PROGRESS", FORK, a_join("compile", "nobody")),
    _flow("R21", OK, "it joins nothing", a_use(), a_join("compile")),
    _flow(
        "R21",
        OK,
        "the start answers 500, Index 0 out of bounds",
        a_use("fork", type="FORK_JOIN", forkTasks=[[a_use()], []]),
        a_join("compile"),
    ),
    _flow(
        "R22",
        OK,
        "the same key starts another execution",
        a_child(subWorkflowParam={"name": "child", "version": 1, "idempotencyKey": "x"}),
    ),
    _task("K1-ADDRESS", OK, "one device for all", inputTemplate={"device_ip": "192.0.2.104"}),
    _flow("K1-ADDRESS", OK, "one device for all", given("02:4B:31:00:00:02")),
    _flow("K1-DISK", OK, "a worker elsewhere finds nothing there", given("/var/builds/x")),
    _flow("K1-EMPTY", 400, "WorkflowTask list cannot be empty", tasks=[]),
    _task("K1-HEARTBEAT", OK, "a late heartbeat costs an attempt", name="ready_probe", responseTimeoutSeconds=10),
    _flow("K1-INPUT", OK, "the task gets null", given("${workflow.input.rpeo}")),
    _flow("K1-INPUT", OK, "the task function does not read it", a_use(inputParameters={"rpeo": "x"})),
    _flow("K1-INPUT", OK, "it is an input that nobody reads", inputTemplate={"rpeo": "x"}),
    _task("K1-KEY", OK, "dropped", onFailure="x"),
    _flow("K1-KEY", OK, "dropped", onFailure="x"),
    _flow("K1-KEY", OK, "dropped", a_child(subWorkflowParam={"name": "child", "version": 1, "workflowInput": {}})),
    _task("K1-KIND", 500, "LinkedHashMap", inputTemplate=[1]),
    _flow("K1-KIND", 500, "`boolean` from String", a_use(optional="yes")),
    _flow("K1-KIND", OK, "the number becomes the text 1", inputParameters=[1]),
    _flow("K1-LOOP", 400, "loopCondition field is required", a_use("loop", type="DO_WHILE", loopOver=[a_use()])),
    _task("K1-NAME", OK, "it is another task than device_health_check", name="device-health-check"),
    _flow("K1-NAME", OK, "it is another workflow than firmware-build", name="firmware_build"),
    _flow("K1-NAME", OK, "no reference can lead to it", a_use("compile", "a.b")),
    _task("K1-NUMBER", 500, "not a valid `long` value", timeoutSeconds="soon"),
    _task("K1-NUMBER", 400, "retryCount", retryCount=-1),
    _task("K1-NUMBER", 400, "Backoff scale factor", backoffScaleFactor=0),
    _task("K1-NUMBER", OK, "cut off to 60", timeoutSeconds=60.5),
    _task("K1-NUMBER", OK, "retried at once", retryDelaySeconds=-5),
    _flow("K1-NUMBER", 400, "must be greater than or equal to 0", a_use(startDelay=-1)),
    _flow("K1-OPTIONAL", OK, "its time-out ends the workflow", a_use("final", optional=True)),
    _flow("K1-OUTPUT", OK, "the output is null", outputParameters={"x": "${compile.output.imgae}"}),
    _task("K1-OWNER", 400, "ownerEmail cannot be empty", ownerEmail=None),
    _flow("K1-OWNER", 400, "ownerEmail cannot be empty", ownerEmail=""),
    _flow("K1-PATH", OK, "an execution whose task is retried is timed out", timeoutSeconds=60),
    _flow("K1-REFERENCE", 400, "should be unique across tasks", a_use(), a_use("final", "compile")),
    _task("K1-RETRY", OK, "the first time-out ends the workflow", timeoutPolicy="TIME_OUT_WF"),
    _flow("K1-TERMINATE", 400, "must be set to COMPLETED or FAILED", an_end(status="DONE")),
    _flow("K1-TERMINATE", 400, "cannot be optional", an_end(optional=True)),
    _task("K1-TIMEOUT", OK, "an attempt may take for ever", timeoutSeconds=0),
    _flow("K1-TYPE", OK, "it stays SCHEDULED, as a task of type SIMPEL", a_use(type="SIMPEL")),
    _task("K1-WORKER", OK, "it stays SCHEDULED for ever", name="unserved"),
]


def _named(broken: Broken, number: int) -> str:
    what = "workflow" if "tasks" in broken.definition else "task"
    return f"{number}-{broken.code}-{what}-{broken.status}"


CASES = [pytest.param(broken, id=_named(broken, n)) for n, broken in enumerate(TABLE)]


def _found(definition: Definition) -> set[str]:
    handler = a_workflow(given("${workflow.input.failed_id}"), name="handler", inputParameters=["failed_id"])
    definitions = defined(TASK, FINAL, CHILD, handler, definition)
    where = definition["name"]
    findings = [*conductor.lint(definitions), *workers.lint(definitions)]
    return {finding.code for finding in findings if re.search(rf"\b{where}\b", finding.subject)}


@pytest.mark.parametrize("broken", CASES)
def test_lint_finds_each(broken: Broken) -> None:
    """Every definition of the table breaks the rule that it is listed for."""
    assert broken.code in _found(broken.definition)


@pytest.fixture(scope="module")
def register(conductor_url: str) -> Iterator[Callable[[Definition], httpx.Response]]:
    """Return a function that registers a definition under a name of its own; all are deleted at the end."""
    made: list[str] = []
    with httpx.Client(**options(30.0, conductor_url)) as client:

        def send(definition: Definition) -> httpx.Response:
            name = f"{definition['name']}{unique('-' if '-' in definition['name'] else '_')}"
            copy = {**definition, "name": name}
            if "tasks" in definition:
                made.append(f"/metadata/workflow/{name}/{definition['version']}")
                return client.post("/metadata/workflow", json=copy)
            made.append(f"/metadata/taskdefs/{name}")
            return client.post("/metadata/taskdefs", json=[copy])

        yield send
        for route in made:
            client.delete(route)


@pytest.mark.parametrize("broken", CASES)
def test_the_server_answers_as_the_table_says(broken: Broken, register: Callable[[Definition], httpx.Response]) -> None:
    """The real server refuses a broken definition with these words, or takes it without one."""
    answer = register(broken.definition)
    assert answer.status_code == broken.status, answer.text
    if broken.status == OK:
        assert answer.text == ""
        assert broken.then
    else:
        words = json.dumps(answer.json().get("validationErrors") or answer.json()["message"])
        assert broken.said in words.replace('\\"', '"')


def test_every_rule_has_its_answer_in_the_table() -> None:
    """What the table of rules says of the server is what it answered, over all that breaks the rule."""
    for code, rule in RULES.items():
        answers = {broken.status == OK for broken in TABLE if broken.code == code}
        known = {Answer.ACCEPTED: {True}, Answer.REFUSED: {False}, Answer.EITHER: {True, False}}
        assert answers == known[rule.answer], code
        assert rule.wants
        assert rule.otherwise
    assert {broken.code for broken in TABLE} == set(RULES)


def test_no_finding_has_another_code() -> None:
    """Every code that a rule's source names stands in the table of rules, and the other way round."""
    folder = Path(conductor.__file__).parents[1]
    sources = {*folder.glob("conductor/_*.py"), folder / "workers" / "_contract.py"} - {
        folder / "conductor" / "_rules.py"
    }
    assert {code for file in sources for code in re.findall(r'"(R\d+|K1-[A-Z]+)"', file.read_text())} == set(RULES)


def test_a_definition_that_breaks_nothing_is_taken(register: Callable[[Definition], httpx.Response]) -> None:
    """What the table changes one thing at a time is itself without fault, for lint and for the server."""
    task, workflow = a_task("sound"), a_workflow(a_use(), name="sound-one")
    assert conductor.lint(defined(TASK, task, workflow)) == []
    assert [register(definition).status_code for definition in (task, workflow)] == [OK, OK]


def test_an_empty_set_breaks_nothing() -> None:
    """Where nothing is defined, nothing is found."""
    assert conductor.lint(Definitions()) == []
