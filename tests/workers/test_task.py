"""The mark on task functions, and their collection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from k1nb.conductor import PolledTask, TaskClient
from k1nb.config import Settings
from k1nb.workers import TaskContext, TaskFunction, task, tasks_of
from k1nb.workers._effects import Effects
from k1nb.workers._metrics import Metrics


class Given(BaseModel):
    """An input."""

    text: str = "none"


class Made(BaseModel):
    """An output."""

    text: str


@task("shout", concurrency=1)
async def shout(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
    """Say it louder."""
    return Made(text=given.text.upper())


def test_a_marked_function_knows_its_task_type_and_models() -> None:
    """A mark keeps the name, the limit and the models that the annotations give."""
    assert (shout.name, shout.concurrency, shout.input_model, shout.output_model) == ("shout", 1, Given, Made)


def test_a_marked_function_can_be_called() -> None:
    """A marked function is still the function."""
    context: Any = None
    assert asyncio.run(shout(Given(text="hear"), context)) == Made(text="HEAR")


def test_a_function_runs_four_at_once_and_may_be_cut_unless_said_otherwise() -> None:
    """The defaults are a concurrency of 4 and that a terminated execution cuts the function."""

    async def plain(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        return Made(text=given.text)

    marked = task("plain")(plain)
    assert (marked.concurrency, marked.cancellable) == (4, True)


async def _no_model(given: dict[str, Any], context: TaskContext) -> Made: ...  # type: ignore[empty-body]
async def _no_result(given: Given, context: TaskContext) -> None: ...
async def _no_context(given: Given) -> Made: ...  # type: ignore[empty-body]
def _not_async(given: Given, context: TaskContext) -> Made: ...  # type: ignore[empty-body]


@pytest.mark.parametrize("function", [_no_model, _no_result, _no_context, _not_async])
def test_a_function_of_another_shape_is_refused(function: Any) -> None:
    """A function that is not `async (Model, TaskContext) -> Model` cannot be marked, and the error names it."""
    with pytest.raises(TypeError, match=function.__name__):
        task("wrong")(function)


def test_a_concurrency_of_nothing_is_refused() -> None:
    """A task type that could never run anything cannot be marked."""
    with pytest.raises(TypeError, match="concurrency 0"):
        task("never", concurrency=0)


def test_a_module_s_task_functions_are_collected() -> None:
    """Of all that a module holds, the marked functions are its tasks."""
    module = ModuleType("room")
    module.__dict__.update(shout=shout, Given=Given, number=3)
    assert tasks_of(module) == [shout]


def test_the_task_function_is_generic_in_its_models() -> None:
    """A marked function keeps the types of its function, for mypy and for readers."""
    kept: TaskFunction[Given, Made] = shout
    assert kept is shout


def _context(settings: Settings, polled: PolledTask) -> TaskContext:
    client: Any = None
    return TaskContext(settings, polled, client, Effects(settings.paths), Metrics(["build"]))


def test_the_key_names_a_step_with_its_input(settings: Settings) -> None:
    """Deliveries and retries of a step share its key; a rerun with another input has another one."""
    first = PolledTask("t", "build", "e", "step", {"a": 1, "b": [None]}, 0, 1, 60.0, "w")
    again = replace(first, id="u", input={"b": [None], "a": 1}, retry_count=1, poll_count=3)
    rerun = replace(first, id="v", input={"a": 2, "b": [None]})
    keys = [_context(settings, polled).key for polled in (first, again, rerun)]
    assert (keys[0] == keys[1], keys[0] == keys[2]) == (True, False)
    assert keys[0].startswith("e/step/")


def test_a_log_line_that_the_server_does_not_take_fails_no_task(settings: Settings) -> None:
    """Work goes on without a line in a log, for the server may be away."""

    async def say() -> None:
        async with TaskClient.from_settings(settings, connections=1) as client:
            await context(client).log("building")

    def context(client: TaskClient) -> TaskContext:
        polled = PolledTask("t", "build", "e", "build", {}, 0, 1, 60.0, "w")
        return TaskContext(settings, polled, client, Effects(settings.paths), Metrics(["build"]))

    asyncio.run(say())
