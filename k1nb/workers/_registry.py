"""Which task functions there are: ours, and those that installed packages offer."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from k1nb.errors import PackageError
from k1nb.workers._task import TaskFunction

GROUP = "k1nb.tasks"
"""Entry points whose modules hold further task functions."""

Functions = list[TaskFunction[Any, Any]]


def tasks_of(module: ModuleType) -> Functions:
    """Return the task functions that a module defines or imports, in its order."""
    return [value for value in vars(module).values() if isinstance(value, TaskFunction)]


def all_tasks() -> Functions:
    """Return our task functions and those of installed packages, by name.

    Raises PackageError, naming the distribution, for an entry point of `k1nb.tasks` that cannot be loaded, offers
    nothing, or serves a task type that is served already; TypeError for a double among our own.
    """
    served = {function.name: (function, "the package k1nb") for function in own_tasks()}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_distribution(entry), entry.name)):
        for function in _offered(entry):
            known, owner = served.setdefault(function.name, (function, _origin(entry)))
            if known is not function:
                raise PackageError(
                    f"{_origin(entry)} serves the task type {function.name}, and so does {owner}",
                    hint=f"uninstall {_distribution(entry)}, or let it give its task type another name",
                )
    return [served[name][0] for name in sorted(served)]


def own_tasks() -> Functions:
    """Import our modules of task functions and return those functions, by name; TypeError for a double."""
    package = importlib.import_module("k1nb.workers")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"k1nb.workers.{name}") for name in names if not name.startswith("_")]
    return unique(function for module in modules for function in tasks_of(module))


def unique(functions: Iterable[TaskFunction[Any, Any]]) -> Functions:
    """Return task functions by name, each once; raises TypeError where two serve one task type."""
    found: dict[str, TaskFunction[Any, Any]] = {}
    for function in functions:
        if found.setdefault(function.name, function) is not function:
            raise TypeError(f"two functions serve the task type {function.name}")
    return [found[name] for name in sorted(found)]


def _offered(entry: EntryPoint) -> Iterator[TaskFunction[Any, Any]]:
    try:
        loaded = entry.load()
    except Exception as error:  # whatever a foreign module raises when it is imported
        raise PackageError(
            f"{_origin(entry)} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"mend {_distribution(entry)} or uninstall it, then start the workers again",
        ) from error
    found = tasks_of(loaded) if isinstance(loaded, ModuleType) else [loaded]
    if not found or not all(isinstance(function, TaskFunction) for function in found):
        raise PackageError(
            f"{_origin(entry)} offers no task function",
            hint="its value is to be a module with functions marked by k1nb.workers.task, or one such function",
        )
    yield from found


def _origin(entry: EntryPoint) -> str:
    return f"{_distribution(entry)} (entry point {entry.name} = {entry.value} of {GROUP})"


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
