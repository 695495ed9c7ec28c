"""Executions: started, read, found, followed, and intervened in."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from k1nb.conductor._connection import FOREIGN, Connection, decoded, flag, foreign
from k1nb.conductor._executions import Execution, ExecutionStatus, TaskStatus
from k1nb.conductor._search import LARGEST_PAGE, free_text, query
from k1nb.errors import ConductorNotFound, ConductorRefused, ConductorUnreachable, UsageError
from k1nb.timings import Timings

OnSilence = Callable[[ConductorUnreachable | None], None]


class ExecutionCalls(Connection):
    """What is asked and done about single executions."""

    def start(
        self,
        name: str,
        input: Mapping[str, Any],  # noqa: A002 - Conductor's own word
        *,
        version: int | None = None,
        correlation_id: str | None = None,
        domain: str | None = None,
    ) -> str:
        """Start an execution, of the newest version unless one is given, and return its id.

        With `domain` all its tasks, those of sub-workflows included, go to the workers of that task domain.
        """
        body: dict[str, Any] = {"name": name, "version": version, "input": dict(input), "createdBy": self._owner}
        domains = {"*": domain} if domain else None
        return self._call("start", json={**body, "correlationId": correlation_id, "taskToDomain": domains}).text.strip()

    def execution(self, execution_id: str, tasks: bool = True) -> Execution:
        """Return one execution."""
        return self._read([self._object("execution", id=execution_id, params={"includeTasks": flag(tasks)})])[0]

    def children(self, execution: Execution) -> list[Execution]:
        """Return the executions of an execution's sub-workflows, however deep, with their tasks.

        Those that were removed from the server are left out.
        """
        found: list[Execution] = []
        waiting = [execution]
        while waiting:
            for task in waiting.pop().tasks:
                if task.child_id:
                    with suppress(ConductorNotFound):
                        waiting.append(self.execution(task.child_id))
                        found.append(waiting[-1])
        return found

    def correlated(self, name: str, correlation_id: str, closed: bool = True) -> list[Execution]:
        """Return the executions of a workflow started for one intent, without tasks, newest first."""
        # The route with the id in its path cannot carry a slash.
        params = {"includeClosed": flag(closed), "includeTasks": "false"}
        answer = self._object("correlated", name=name, json=[correlation_id], params=params)
        return self._read(answer.get(correlation_id) or [])

    def running(self, name: str, correlation_id: str) -> str | None:
        """Return the id of the newest execution of a workflow that works for one intent now; None without one."""
        return self.begun(name, correlation_id)

    def begun(self, name: str, correlation_id: str, since: datetime | None = None) -> str | None:
        """Return the id of the newest execution for one intent that works now, or that began at `since` or after it."""
        found = self.correlated(name, correlation_id, closed=since is not None)
        return next((each.id for each in found if not each.status.terminal or _began(each, since)), None)

    def running_ids(self, name: str, version: int) -> list[str]:
        """Return the ids of the executions of one version of a workflow that have not ended; this does not lag.

        The server's list knows no versions, whatever it is asked, so that each execution is asked for its own.
        Source: Conductor 3.32.1, SQLite.
        """
        return [each for each in self.all_running_ids(name) if self._runs(each, version)]

    def all_running_ids(self, name: str) -> list[str]:
        """Return the ids of the executions of a workflow that the server has not ended, in any version."""
        answer = self._call("running", name=name)
        ids = decoded(answer)
        if not isinstance(ids, list):
            raise foreign(answer)
        return [str(each) for each in ids]

    def _runs(self, execution_id: str, version: int) -> bool:
        try:
            execution = self.execution(execution_id, tasks=False)
        except ConductorNotFound:  # removed since the list was made
            return False
        return execution.version == version and not execution.status.terminal

    def find(
        self,
        *,
        status: ExecutionStatus | Collection[ExecutionStatus] | None = None,
        name: str | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        text: str = "",
        size: int = 100,
        oldest_first: bool = False,
    ) -> list[Execution]:
        """Return up to `size` executions, without tasks, newest first; search lags behind what has just happened.

        `since` and `before` bound the start; `oldest_first` gives the oldest that fit, oldest first. `text` is one word
        that is looked for in names, inputs and outputs. Raises UsageError for a name or a word that the search language
        cannot express.
        """
        params = {"query": query(status, name, since, before), "freeText": free_text(text)}
        params["sort"] = "startTime:ASC" if oldest_first else "startTime:DESC"
        found: list[Execution] = []
        seen = 0
        while len(found) < size:
            page = {"start": str(seen), "size": str(min(size - len(found), LARGEST_PAGE))}
            results = self._object("search", params={**params, **page}).get("results") or []
            # After a kill of the server its index may call an execution RUNNING for ever; the execution knows better.
            read = self._read(results)[:: -1 if oldest_first else 1]
            found += [one for one in read if not status or one.status in _statuses(status)]
            seen += len(results)
            if len(results) < int(page["size"]):
                break
        return found

    def follow(
        self,
        execution_id: str,
        *,
        timings: Timings | None = None,
        every_look: bool = False,
        on_silence: OnSilence | None = None,
    ) -> Iterator[Execution]:
        """Yield an execution now and whenever it has changed, or at every look, until it is terminal.

        A server that restarts meanwhile is waited for, as long as `conductor_ready` allows; then
        ConductorUnreachable is raised. `on_silence` is told once that it does not answer, and None when it does again.
        """
        timings = timings or self._timings
        seen: tuple[object, ...] | None = None
        answered, silent = time.monotonic(), False
        while True:
            try:
                execution = self.execution(execution_id)
                answered = time.monotonic()
            except ConductorUnreachable as error:
                if time.monotonic() - answered > timings.conductor_ready:
                    raise
                if on_silence is not None and not silent:
                    on_silence(error)
                silent = True
            else:
                if on_silence is not None and silent:
                    on_silence(None)
                silent = False
                if every_look or execution.state != seen:
                    seen = execution.state
                    yield execution
                if execution.status.terminal:
                    return
            time.sleep(timings.follow)

    def wait(
        self,
        execution_id: str,
        *,
        timings: Timings | None = None,
        on_change: Callable[[Execution], None] | None = None,
    ) -> Execution:
        """Follow an execution and return it at its end; `on_change` is told of each change. Raises as `follow` does."""
        for execution in self.follow(execution_id, timings=timings):
            if on_change is not None:
                on_change(execution)
        return execution

    def pause(self, execution_id: str) -> None:
        """Let an execution begin no further task; those that are queued or running go on."""
        self._call("pause", id=execution_id)

    def resume(self, execution_id: str) -> None:
        """Let a paused execution go on; one that is not paused is a ConductorRefused."""
        self._call("resume", id=execution_id)

    def terminate(self, execution_id: str, reason: str) -> None:
        """End an execution as TERMINATED; its failure workflow does not run."""
        self._call("terminate", id=execution_id, params={"reason": reason})

    def retry(self, execution_id: str) -> None:
        """Continue a failed execution from its failed task, inside its children where they failed.

        One that runs, or that has nothing to retry, is a ConductorRefused.
        """
        try:
            self._call("retry", id=execution_id, params={"resumeSubworkflowTasks": flag(on=True)})
        except ConductorNotFound as error:  # which the server says of a running execution, too
            if "still running" not in error.message:
                raise
            raise ConductorRefused(error.message, status=409, hint="it goes on by itself; follow it") from error

    def restart(self, execution_id: str, *, newest_definition: bool = False) -> None:
        """Begin an execution that has ended again from its first task, with its own input and under its own id."""
        self._call("restart", id=execution_id, params={"useLatestDefinitions": flag(newest_definition)})

    def rerun(
        self,
        execution_id: str,
        *,
        reference: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - Conductor's own word
        task_input: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin an execution that has ended again, from the task of that reference name or from its start.

        `input` replaces the workflow's input, `task_input` that of the task. Raises UsageError where it has no such
        task, and where a task before it has failed attempts: Conductor 3.32.1 would begin those again as well.
        """
        body: dict[str, Any] = {"reRunFromWorkflowId": execution_id}
        if reference is not None:
            body["reRunFromTaskId"] = begin_at(self.execution(execution_id), reference)
        if input is not None:
            body["workflowInput"] = dict(input)
        if task_input is not None:
            body["taskInput"] = dict(task_input)
        self._call("rerun", id=execution_id, json=body)

    def skip(self, execution_id: str, reference: str) -> None:
        """Let a running execution pass a task by that it has not come to yet; any other is a ConductorRefused.

        The task has no output then: Conductor 3.32.1 keeps none that it is given.
        """
        self._call("skip", id=execution_id, reference=reference, json={})

    def answer(self, execution_id: str, reference: str, output: Mapping[str, Any]) -> None:
        """Complete a HUMAN or WAIT task, named by its reference, with an output.

        Raises ConductorNotFound where no such task of the execution waits: to that Conductor 3.32.1 answers 200 and no
        task id.
        """
        if not self._call("answer", id=execution_id, reference=reference, json=dict(output)).text.strip():
            said = f"execution {execution_id} has no task {reference} that waits for an answer"
            raise ConductorNotFound(said, status=404, hint=f"k1nb executions show {execution_id}")

    def decide(self, execution_id: str) -> None:
        """Let the server look at an execution that it has forgotten."""
        self._call("decide", id=execution_id)

    def remove(self, execution_id: str) -> None:
        """Remove an execution that has ended, with its tasks; searches name it until the server's index is cleared.

        It is asked to leave the index alone, for the local server locks its database up over that (docs/adr/0011).
        """
        self._call("remove", id=execution_id, params={"archiveWorkflow": flag(on=True)})

    def _read(self, items: Iterable[Mapping[str, Any]]) -> list[Execution]:
        """Return executions newest first."""
        try:
            executions = [Execution.from_json(item) for item in items]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConductorRefused(
                f"{self.url} gave something that is no execution: {type(error).__name__} {error}",
                status=200,
                hint=FOREIGN,
            ) from error
        return sorted(executions, key=lambda e: e.started_at.timestamp() if e.started_at else 0.0, reverse=True)


def _statuses(status: ExecutionStatus | Collection[ExecutionStatus]) -> Collection[ExecutionStatus]:
    return (status,) if isinstance(status, ExecutionStatus) else status


def begin_at(execution: Execution, reference: str) -> str:
    """Return the id of the last attempt at a task, for a rerun from there; raises UsageError where that cannot be."""
    places = [place for place, task in enumerate(execution.tasks) if task.reference == reference]
    if not places:
        known = ", ".join(dict.fromkeys(task.reference for task in execution.tasks))
        raise UsageError(f"{execution.name} {execution.id} has no task {reference!r}", hint=f"it has {known}")
    again = [task.reference for task in execution.tasks[: places[-1]] if _failed(task.status)]
    if again:
        raise UsageError(
            f"a rerun from {reference} would begin {', '.join(again)} again, whose failed attempts come before it",
            hint=f"`k1nb executions retry {execution.id}` goes on where it failed",
        )
    return execution.tasks[places[-1]].id


def _began(execution: Execution, since: datetime | None) -> bool:
    return since is not None and execution.started_at is not None and execution.started_at >= since


def _failed(status: TaskStatus) -> bool:
    return status.terminal and not status.successful
