"""When the stack is ready: the API answers, the definitions are applied, our workers work."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from k1nb._plain import counted
from k1nb.config import Settings
from k1nb.errors import ConductorError, ServiceError
from k1nb.stack._jar import Notify

if TYPE_CHECKING:
    from k1nb.conductor import Conductor

READY = "k1nb-ready"
"""The workflow whose execution proves that our workers take and finish tasks."""


def conductor_ready(settings: Settings) -> Callable[[], bool]:
    """Return a function that tells whether the server's API answers."""

    def ready() -> bool:
        from k1nb.conductor import Conductor

        with Conductor.from_settings(settings) as conductor:
            try:
                return conductor.healthy()
            except ConductorError:  # while it boots: no answer, or 503
                return False

    return ready


def apply_shipped_definitions(settings: Settings, notify: Notify) -> None:
    """Bring the server's definitions to those of the files; does nothing where they agree already.

    Whoever starts this k1nb wants its definitions. But one that running executions would see change stays as it is.
    """
    from k1nb.conductor import Conductor, apply_definitions, load, observe_definitions

    facts = observe_definitions(settings, load())
    in_use = [step for step in facts.plan.steps if step.subject in facts.in_use]
    for step in in_use:
        notify(f"left as it is: {step.subject}: {step.why}, or use `k1nb definitions apply` when they have ended")
    plan = replace(facts.plan, steps=tuple(step for step in facts.plan.steps if step not in in_use))
    if plan.steps:
        notify(f"applying {counted(len(plan.steps), 'definition')}")
        with Conductor.from_settings(settings) as conductor:
            apply_definitions(conductor, facts.definitions, plan)


def metrics_ready(settings: Settings) -> Callable[[], bool]:
    """Return a function that tells whether the exporter answers a scrape."""

    def ready() -> bool:
        import httpx

        from k1nb._http import options

        url = f"http://127.0.0.1:{settings.exporter_port}"
        try:
            with httpx.Client(**options(settings.timings.device_request, url)) as client:
                response = client.get("/metrics")
        except httpx.TransportError:  # while it starts
            return False
        return response.is_success and "k1_exporter_inventory_readable" in response.text

    return ready


class ReadyProbe:
    """Starts executions of `k1nb-ready` until our workers have completed one with its nonce.

    One is not enough: a worker that is killed just when it was handed the task has lost it until its response timeout,
    or until the next host's recovery. So another is started every `timings.probe_again`.
    """

    def __init__(self, settings: Settings, workflow: str = READY) -> None:
        self._settings = settings
        self._workflow = workflow
        self.nonce = secrets.token_hex(8)
        self._executions: list[str] = []
        self._next = 0.0

    def __call__(self) -> bool:
        """Tell whether the nonce came back; raises ServiceError where it never will."""
        from k1nb.conductor import Conductor

        with Conductor.from_settings(self._settings) as conductor:
            if time.monotonic() >= self._next:
                self._start(conductor)
            answered = [execution for execution in self._executions if self._is_answered(conductor, execution)]
            if answered:
                self._end(conductor, [e for e in self._executions if e not in answered], "another one was answered")
        return bool(answered)

    def give_up(self) -> None:
        """End the executions that nobody completed, as far as the server lets us."""
        from k1nb.conductor import Conductor

        with Conductor.from_settings(self._settings) as conductor:
            self._end(conductor, self._executions, "the stack did not become ready in time")

    def _start(self, conductor: Conductor) -> None:
        correlation_id = f"ready:{self.nonce}"
        execution = conductor.start(self._workflow, {"nonce": self.nonce}, correlation_id=correlation_id)
        self._executions.append(execution)
        self._next = time.monotonic() + self._settings.timings.probe_again

    def _is_answered(self, conductor: Conductor, execution_id: str) -> bool:
        from k1nb.conductor import ExecutionStatus

        execution = conductor.execution(execution_id)
        if execution.status is ExecutionStatus.COMPLETED and execution.output.get("nonce") == self.nonce:
            return True
        lost = (ExecutionStatus.TIMED_OUT, ExecutionStatus.TERMINATED)
        if not execution.status.terminal or execution.status in lost:
            return False
        why = execution.reason or "the answer is another one"
        hint = f"look at it with `k1nb executions show {execution_id}`, and at `k1nb logs workers`"
        raise ServiceError(f"{self._workflow} ended {execution.status} without its nonce: {why}", hint=hint)

    def _end(self, conductor: Conductor, executions: Iterable[str], why: str) -> None:
        for execution in executions:
            try:
                conductor.terminate(execution, why)
            except ConductorError:  # it has ended meanwhile, or its own timeoutSeconds will end it
                continue
