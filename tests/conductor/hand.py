"""A worker by hand: completes tasks as a test says, through plain HTTP, independent of the code under test."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import httpx

from k1nb._http import options
from k1nb.conductor import Definitions

PATIENCE = 120.0
"""A JOIN whose turn the server has lost under load is found by its sweeper a minute and a half later."""
Answer = tuple[str, Mapping[str, Any]]
"""A task status and an output."""


def forget(url: str, definitions: Definitions) -> None:
    """Delete definitions from a server; those that it does not have are none of our business."""
    with httpx.Client(**options(30.0, url)) as http:
        for name in definitions.tasks:
            http.delete(f"/metadata/taskdefs/{name}")
        for name, version in definitions.workflows:
            http.delete(f"/metadata/workflow/{name}/{version}")


Way = tuple[str, str, str]
"""Name of a workflow, reference name of a SWITCH in it, and the case that was taken; `` is its default."""


class Hand:
    """Starts executions on a real server and answers for their tasks, children included."""

    gone: ClassVar[set[Way]] = set()
    """Every way that an execution finished by hand has gone in this process."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(**options(PATIENCE, url))

    def close(self) -> None:
        """Close the client."""
        self._http.close()

    def start(self, name: str, given: Mapping[str, Any], correlation_id: str = "") -> str:
        """Start an execution and return its id."""
        body = {"name": name, "version": 1, "input": dict(given), "correlationId": correlation_id}
        response = self._http.post("/workflow", json=body)
        response.raise_for_status()
        return response.text

    def look(self, execution_id: str) -> dict[str, Any]:
        """Return an execution in the server's own JSON."""
        response = self._http.get(f"/workflow/{execution_id}")
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def finish(self, execution_id: str, answers: Mapping[str, Answer | Sequence[Answer]]) -> dict[str, Any]:
        """Answer each task by its reference name until the execution has ended, and return it.

        Of several answers each attempt, in whichever round of a loop, gets the next, and the last one stays.
        """
        left = {name: [answer] if isinstance(answer, tuple) else list(answer) for name, answer in answers.items()}
        deadline = time.monotonic() + PATIENCE
        while (execution := self.look(execution_id))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"still running: {[t['referenceTaskName'] for t in execution['tasks']]}"
            for owner, task in self._waiting(execution):
                given = left[task["referenceTaskName"].partition("__")[0]]
                self.answer(owner, task["taskId"], given.pop(0) if len(given) > 1 else given[0])
            time.sleep(0.05)
        self._remember(execution)
        return execution

    def _remember(self, execution: Mapping[str, Any]) -> None:
        for task in execution["tasks"]:
            if task["taskType"] == "SWITCH" and task["status"] == "COMPLETED":
                case = str(task["outputData"]["evaluationResult"][0])
                known = case in task["workflowTask"]["decisionCases"]
                reference = task["workflowTask"]["taskReferenceName"].partition("__")[0]  # of a loop's round
                self.gone.add((execution["workflowName"], reference, case if known else ""))
            if task.get("subWorkflowId"):
                self._remember(self.look(task["subWorkflowId"]))

    def _waiting(self, execution: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for task in execution["tasks"]:
            kind = task["workflowTask"]["type"]
            if (task["status"], kind) in (("SCHEDULED", "SIMPLE"), ("IN_PROGRESS", "HUMAN")):
                yield execution["workflowId"], task
            elif task.get("subWorkflowId") and task["status"] == "IN_PROGRESS":
                yield from self._waiting(self.look(task["subWorkflowId"]))

    def answer(self, execution_id: str, task_id: str, answer: Answer) -> None:
        """Report a task as a worker would."""
        status, output = answer
        body = {"workflowInstanceId": execution_id, "taskId": task_id, "workerId": "hand", "status": status}
        reason = "as the test says" if status.startswith("FAILED") else None
        response = self._http.post("/tasks", json={**body, "outputData": dict(output), "reasonForIncompletion": reason})
        response.raise_for_status()
