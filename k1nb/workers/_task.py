"""Task functions: marked, typed, and given a context to work in."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

import structlog
from pydantic import BaseModel

from k1nb.conductor import PolledTask, TaskClient
from k1nb.config import Settings
from k1nb.errors import ConductorError
from k1nb.timings import Timings
from k1nb.workers._effects import Effect, Effects, Look
from k1nb.workers._metrics import Metrics

if TYPE_CHECKING:
    from k1nb.conductor import Execution

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)
T = TypeVar("T")

CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a task function may use beside its input. The host sends the heartbeats."""

    settings: Settings
    task: PolledTask
    client: TaskClient
    effects: Effects
    metrics: Metrics

    @property
    def timings(self) -> Timings:
        """The waits and deadlines in force."""
        return self.settings.timings

    @property
    def execution_id(self) -> str:
        """The execution that the task belongs to."""
        return self.task.execution_id

    @property
    def key(self) -> str:
        """What this step of this execution is named by: the same for every delivery and every retry of it.

        A rerun or restart with the same input has the same name, one with another input another one.
        """
        given = json.dumps(dict(self.task.input), sort_keys=True)
        return f"{self.task.execution_id}/{self.task.reference}/{hashlib.sha256(given.encode()).hexdigest()[:12]}"

    async def once(self, key: str, kind: type[T], effect: Effect[T], look: Look[T] | None = None) -> T:
        """Bring an effect about once and return its result, the first one's ever after; see `Effects.once`.

        `key` names the effect, as `f"{context.key}/mail"` does; `kind` is the type of what `effect` returns.
        """
        return await self.effects.once(key, kind, effect, look)

    async def log(self, text: str) -> None:
        """Append a text to the task's log on the server, secrets masked; a server that takes none fails no task."""
        said = self.settings.redact(text)
        try:
            await self.client.log(self.task.id, said)
        except ConductorError as error:
            structlog.get_logger("k1nb.workers").warning("a log line is lost", task=self.task.id, error=error.message)

    def execution(self, execution_id: str) -> Execution:
        """Return any execution with its tasks; blocks, so call it through `asyncio.to_thread`."""
        from k1nb.conductor import Conductor

        with Conductor.from_settings(self.settings) as conductor:
            return conductor.execution(execution_id)


@dataclass(frozen=True, slots=True)
class TaskFunction(Generic[In, Out]):
    """A function that serves one task type; calling it calls the function."""

    name: str
    function: Callable[[In, TaskContext], Coroutine[Any, Any, Out]]
    input_model: type[In]
    output_model: type[Out]
    concurrency: int = CONCURRENCY
    """How many run at once in one host."""
    cancellable: bool = True
    """Whether it may be cut when its execution is terminated; what is not runs to its end."""

    def __call__(self, given: In, context: TaskContext) -> Coroutine[Any, Any, Out]:
        """Run the function."""
        return self.function(given, context)


def task(
    name: str, *, concurrency: int = CONCURRENCY, cancellable: bool = True
) -> Callable[[Callable[[In, TaskContext], Coroutine[Any, Any, Out]]], TaskFunction[In, Out]]:
    """Mark `async def f(input: Model, context: TaskContext) -> Model` as serving the task type `name`.

    Raises TypeError where the function has not that shape. Nothing is registered: `tasks_of` collects.
    """
    if concurrency < 1:
        raise TypeError(f"task {name}: concurrency {concurrency} serves nothing")

    def mark(function: Callable[[In, TaskContext], Coroutine[Any, Any, Out]]) -> TaskFunction[In, Out]:
        input_model, output_model = _models(name, function)
        return TaskFunction(name, function, input_model, output_model, concurrency, cancellable)

    return mark


def _models(name: str, function: Callable[..., Any]) -> tuple[Any, Any]:
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    shapes = [hints.get(parameter) for parameter in parameters]
    models = (shapes[0] if shapes else None, hints.get("return"))
    typed = all(isinstance(model, type) and issubclass(model, BaseModel) for model in models)
    if not inspect.iscoroutinefunction(function) or shapes[1:] != [TaskContext] or not typed:
        raise TypeError(
            f"task {name}: {function.__qualname__} must be "
            "`async def f(input: Model, context: TaskContext) -> Model` with pydantic models"
        )
    return models
