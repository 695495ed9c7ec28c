"""Which task functions there are."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from k1nb.workers import TaskContext, TaskFunction, all_tasks, task
from k1nb.workers._registry import unique


class Nothing(BaseModel):
    """An input and output without keys."""


def _function(name: str) -> TaskFunction[Nothing, Nothing]:
    @task(name)
    async def same(given: Nothing, context: TaskContext) -> Nothing:  # noqa: ARG001 - a task takes both
        return given

    return same


def test_every_public_module_of_the_room_is_collected() -> None:
    """The host's own probe and the functions of each module beside it are there, in the order of their names."""
    names = [function.name for function in all_tasks()]
    assert {"ready_probe", "platformio_compile", "deploy_firmware_ota", "send_failure_notification"} <= {*names}
    assert names == sorted(names)


def test_a_function_that_two_modules_hold_counts_once() -> None:
    """Importing a task function into another module does not double it."""
    one = _function("one")
    assert unique([one, _function("two"), one])[0] is one


def test_two_functions_for_one_task_type_are_refused() -> None:
    """Which of two functions serves a task type is never left to chance."""
    with pytest.raises(TypeError, match="task type one"):
        unique([_function("one"), _function("one")])
