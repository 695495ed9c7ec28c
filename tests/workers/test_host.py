"""The worker host against a real Conductor server."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from k1nb import stack
from k1nb.config import Settings
from k1nb.timings import Timings
from k1nb.workers import RetryableFailure, TaskContext, TaskFunction, TerminalFailure, serve, task, worker_id
from k1nb.workers._outputs import OUTPUT_LIMIT
from tests.workers.scratch import PATIENCE, Scratch, hosting, settings_for, unique, until

pytestmark = pytest.mark.anyio


class Given(BaseModel):
    """An input."""

    text: str


class Made(BaseModel):
    """An output."""

    text: str


class Hasty(Settings):
    """Settings of a host that drains for a second only."""

    @property
    def timings(self) -> Timings:
        """The waits and deadlines in force."""
        return replace(super().timings, drain=1.0)


class Gate:
    """A task function's body that says when it runs and ends when it may."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.runs = 0
        self.cut = 0

    async def pass_through(self) -> None:
        """Wait until opened, counting runs and cancellations."""
        self.runs += 1
        self.entered.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise

    async def reached(self) -> None:
        """Wait until a run has begun."""
        async with asyncio.timeout(PATIENCE):
            await self.entered.wait()


def gated(name: str, gate: Gate, **options: Any) -> TaskFunction[Given, Made]:
    """Return a task function that stands at a gate."""

    @task(name, **options)
    async def pass_gate(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        await gate.pass_through()
        return Made(text=given.text)

    return pass_gate


def raising(name: str, *errors: Exception) -> TaskFunction[Given, Made]:
    """Return a task function that raises each error once, in order, and then works."""
    left = list(errors)

    @task(name)
    async def fail(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        if left:
            raise left.pop(0)
        return Made(text=given.text)

    return fail


async def test_a_typed_task_is_completed(scratch: Scratch, host_settings: Settings) -> None:
    """The function gets its input as a model, and its output and log lines reach the server."""
    name = await scratch.define(unique("typed"))

    @task(name)
    async def shout(given: Given, context: TaskContext) -> Made:
        await context.log("shouting\n“loud”")
        return Made(text=f"{given.text.upper()} in {context.execution_id}")

    async with hosting(host_settings, shout):
        started = await scratch.start(name, text="hear")
        execution = await scratch.ended(started)
    (only,) = execution["tasks"]
    assert (execution["status"], only["workerId"]) == ("COMPLETED", worker_id(host_settings))
    assert only["outputData"] == {"text": f"HEAR in {started}"}
    assert await scratch.task_log(only["taskId"]) == ["shouting\n“loud”"]


async def test_a_terminal_failure_is_not_tried_again(scratch: Scratch, host_settings: Settings) -> None:
    """A terminal failure ends the task at once, with its reason, hint, output and log."""
    name = await scratch.define(unique("terminal"), retryCount=3)
    function = raising(name, TerminalFailure("no such board", output={"board": "k2"}, hint="name another"))
    async with hosting(host_settings, function):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    (only,) = execution["tasks"]
    assert (execution["status"], only["status"]) == ("FAILED", "FAILED_WITH_TERMINAL_ERROR")
    assert only["reasonForIncompletion"] == "no such board (name another)"
    assert only["outputData"] == {"board": "k2"}
    assert await scratch.task_log(only["taskId"]) == ["no such board (name another)"]


async def test_a_retryable_failure_is_tried_again(scratch: Scratch, host_settings: Settings) -> None:
    """A retryable failure leaves the next try to the task definition."""
    name = await scratch.define(unique("retryable"), retryCount=1)
    async with hosting(host_settings, raising(name, RetryableFailure("not yet", output={"try": 1}))):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    assert execution["status"] == "COMPLETED"
    assert [t["status"] for t in execution["tasks"]] == ["FAILED", "COMPLETED"]
    assert execution["tasks"][0]["outputData"] == {"try": 1}


async def test_an_unexpected_error_fails_the_task_and_not_the_host(scratch: Scratch, host_settings: Settings) -> None:
    """A fault in a function fails its task by type and message, logs the traceback, and the host serves on."""
    name = await scratch.define(unique("faulty"))
    with capture_logs() as lines:
        async with hosting(host_settings, raising(name, ZeroDivisionError("by nothing"))):
            first = await scratch.ended(await scratch.start(name, text="x"))
            second = await scratch.ended(await scratch.start(name, text="x"))
    assert first["tasks"][0]["reasonForIncompletion"] == "ZeroDivisionError: by nothing"
    assert second["status"] == "COMPLETED"
    assert [line["exc_info"] for line in lines if line["log_level"] == "error"] == [True]


async def test_a_wrong_input_names_the_key(scratch: Scratch, host_settings: Settings) -> None:
    """An input that does not fit is a terminal failure that names the key."""
    name = await scratch.define(unique("wrong"), retryCount=3)
    async with hosting(host_settings, raising(name)):
        execution = await scratch.ended(await scratch.start(name))
    (only,) = execution["tasks"]
    assert only["status"] == "FAILED_WITH_TERMINAL_ERROR"
    assert "text: " in only["reasonForIncompletion"]


async def test_a_large_output_is_handed_on_by_a_file(scratch: Scratch, host_settings: Settings) -> None:
    """An output over the server's soft limit goes into a private file, and the next step of this home reads it."""
    name, heard = unique("large"), list[int]()
    first, second = f"{name}_make", f"{name}_read"
    await scratch.define_workflow(name, [first, second], wire={second: "${step0.output.text}"})

    @task(first)
    async def flood(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        return Made(text=given.text * OUTPUT_LIMIT)

    @task(second)
    async def drink(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        heard.append(len(given.text))
        return Made(text="gone")

    async with hosting(host_settings, flood, drink):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    made = execution["tasks"][0]
    reference = made["outputData"]["text"]
    file = Path(reference["k1nb_file"])
    assert (execution["status"], heard) == ("COMPLETED", [OUTPUT_LIMIT])
    assert (file.parent, file.name) == (host_settings.paths.outputs, f"{made['taskId']}-text.json")
    data, facts = await asyncio.to_thread(file.read_bytes), await asyncio.to_thread(file.stat)
    assert (facts.st_mode & 0o777, reference["bytes"]) == (0o600, len(data))
    assert reference["sha256"] == hashlib.sha256(data).hexdigest()


async def test_a_task_longer_than_its_response_timeout_runs_once(scratch: Scratch, host_settings: Settings) -> None:
    """Heartbeats keep a task alive beyond its response timeout: polled once, run once, completed."""
    name, gate = await scratch.define(unique("long"), responseTimeoutSeconds=3, retryCount=3), Gate()
    async with hosting(host_settings, gated(name, gate)):
        execution_id = await scratch.start(name, text="x")
        await gate.reached()
        for _ in range(5):
            await asyncio.sleep(1)
            await scratch.decide(execution_id)
        gate.opened.set()
        execution = await scratch.ended(execution_id)
    (only,) = execution["tasks"]
    assert (execution["status"], only["pollCount"], gate.runs) == ("COMPLETED", 1, 1)


async def test_a_terminated_execution_cuts_its_function(scratch: Scratch, host_settings: Settings) -> None:
    """When the server has ended a running task, its function is cancelled and its result forgotten."""
    name, gate = await scratch.define(unique("terminated"), responseTimeoutSeconds=3), Gate()
    async with hosting(host_settings, gated(name, gate, concurrency=1)):
        execution_id = await scratch.start(name, text="x")
        await gate.reached()
        await scratch.terminate(execution_id)

        async def cut() -> bool:
            return gate.cut == 1

        await until(cut)
        gate.opened.set()
        following = await scratch.ended(await scratch.start(name, text="y"))
    assert (await scratch.tasks(execution_id))[0]["status"] == "CANCELED"
    assert following["status"] == "COMPLETED"


async def test_what_must_not_be_cut_runs_to_its_end(scratch: Scratch, host_settings: Settings) -> None:
    """A function marked as not cancellable is left alone when its execution is terminated."""
    name, gate = await scratch.define(unique("uncut"), responseTimeoutSeconds=3), Gate()
    with capture_logs() as lines:
        async with hosting(host_settings, gated(name, gate, cancellable=False)):
            execution_id = await scratch.start(name, text="x")
            await gate.reached()
            await scratch.terminate(execution_id)

            async def noticed() -> bool:
                return any("ended a running task" in line["event"] for line in lines)

            await until(noticed)
            gate.opened.set()
    assert gate.cut == 0
    assert any(line["event"] == "task completed" for line in lines)
    assert (await scratch.tasks(execution_id))[0]["status"] == "CANCELED"


async def test_a_limit_of_one_holds(scratch: Scratch, host_settings: Settings) -> None:
    """A task type with a concurrency of one never runs twice at once, others run beside it."""
    name, other = unique("single"), unique("beside")
    await scratch.define(name)
    await scratch.define(other)
    gate, free = Gate(), Gate()
    free.opened.set()
    async with hosting(host_settings, gated(name, gate, concurrency=1), gated(other, free)):
        waiting = [await scratch.start(name, text="x") for _ in range(3)]
        await gate.reached()
        assert (await scratch.ended(await scratch.start(other, text="y")))["status"] == "COMPLETED"
        assert gate.runs == 1
        gate.opened.set()
        assert [(await scratch.ended(e))["status"] for e in waiting] == ["COMPLETED"] * 3


async def test_a_stop_lets_running_tasks_finish(scratch: Scratch, host_settings: Settings) -> None:
    """After a stop the running task completes, and what is still queued stays queued."""
    name, gate = await scratch.define(unique("drained"), responseTimeoutSeconds=3), Gate()
    async with hosting(host_settings, gated(name, gate, concurrency=1)) as stop:
        running, queued = await scratch.start(name, text="x"), await scratch.start(name, text="y")
        await gate.reached()
        stop.set()
        await asyncio.sleep(3.5)
        await scratch.decide(running)
        gate.opened.set()
    states = sorted([(await scratch.tasks(e))[0]["status"] for e in (running, queued)])
    assert (states, gate.runs, gate.cut) == (["COMPLETED", "SCHEDULED"], 1, 0)


async def test_what_outlasts_the_drain_is_handed_back(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """A task that does not finish within the drain is cut and queued again at once, its retries unspent."""
    hasty = Hasty.model_validate({"home": tmp_path, "conductor_server_url": conductor_url})
    name, gate = await scratch.define(unique("endless")), Gate()
    async with hosting(hasty, gated(name, gate)):
        execution_id = await scratch.start(name, text="x")
        await gate.reached()
    (left,) = await scratch.tasks(execution_id)
    assert (gate.cut, left["status"], left["retryCount"]) == (1, "SCHEDULED", 0)
    gate.opened.set()
    async with hosting(hasty, gated(name, gate)):
        execution = await scratch.ended(execution_id)
    (only,) = execution["tasks"]
    assert (execution["status"], only["taskId"], only["pollCount"]) == ("COMPLETED", left["taskId"], 2)


async def test_thirty_executions_lose_none(scratch: Scratch, host_settings: Settings) -> None:
    """Thirty executions of three tasks each complete, every task run once."""
    name, runs = unique("chain"), Counter[str]()
    steps = [f"{name}_{n}" for n in range(3)]
    await scratch.define_workflow(name, steps)

    def step(task_type: str) -> TaskFunction[Given, Made]:
        @task(task_type)
        async def count(given: Given, context: TaskContext) -> Made:
            runs[f"{context.execution_id} {task_type}"] += 1
            return Made(text=given.text)

        return count

    async with hosting(host_settings, *map(step, steps)):
        started = [await scratch.start(name, text=str(n)) for n in range(30)]
        ended = [await scratch.ended(execution_id) for execution_id in started]
    assert Counter(e["status"] for e in ended) == Counter(COMPLETED=30)
    assert (len(runs), set(runs.values())) == (90, {1})


async def test_signals_drain_the_host(scratch: Scratch, host_settings: Settings) -> None:
    """SIGTERM drains, a second signal changes nothing, and the exit code is 0."""
    name, gate = await scratch.define(unique("signalled")), Gate()
    serving = asyncio.create_task(serve(host_settings, [gated(name, gate)]))
    execution_id = await scratch.start(name, text="x")
    await gate.reached()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.2)
    gate.opened.set()
    assert await serving == 0
    assert (gate.cut, (await scratch.execution(execution_id))["status"]) == (0, "COMPLETED")


async def test_a_worker_keeps_its_name(host_settings: Settings, conductor_url: str, tmp_path: Path) -> None:
    """A home's worker id is the same after a restart and differs from another home's."""
    assert worker_id(host_settings) == worker_id(host_settings.model_copy())
    assert worker_id(host_settings) != worker_id(settings_for(conductor_url, tmp_path / "other"))


@pytest.mark.long
@pytest.mark.timeout(600)  # a server is started twice
async def test_a_server_restart_loses_nothing(settings: Settings) -> None:
    """A task that ran while the server was restarted is completed once, and the host serves on.

    The loss and the return of the server are logged once each.
    """
    scratch, gate = Scratch(settings.conductor_server_url), Gate()
    try:
        await asyncio.to_thread(stack.up, settings, ["conductor"])
        name = await scratch.define(unique("restart"), responseTimeoutSeconds=600, retryCount=3)
        with capture_logs() as lines:
            async with hosting(settings, gated(name, gate), raising(unique("idle"))):
                execution_id = await scratch.start(name, text="x")
                await gate.reached()
                await asyncio.to_thread(stack.down, settings, ["conductor"])
                gate.opened.set()
                await asyncio.to_thread(stack.up, settings, ["conductor"])
                execution = await scratch.ended(execution_id)
                following = await scratch.ended(await scratch.start(name, text="y"))
        (only,) = execution["tasks"]
        assert (execution["status"], only["pollCount"], gate.runs) == ("COMPLETED", 1, 2)
        assert following["status"] == "COMPLETED"
        events = [line["event"] for line in lines if line["event"].startswith("conductor")]
        assert events == ["conductor lost", "conductor is back"]
    finally:
        await scratch.close()
        await asyncio.to_thread(stack.down, settings)
