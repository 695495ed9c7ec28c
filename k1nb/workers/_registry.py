"""Which task functions there are: those marked in the public modules of this room."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from k1nb.workers._task import TaskFunction


def tasks_of(module: ModuleType) -> list[TaskFunction[Any, Any]]:
    """Return the task functions that a module defines or imports, in its order."""
    return [value for value in vars(module).values() if isinstance(value, TaskFunction)]


def all_tasks() -> list[TaskFunction[Any, Any]]:
    """Import the modules of task functions and return those functions, by name; TypeError for a double."""
    package = importlib.import_module("k1nb.workers")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"k1nb.workers.{name}") for name in names if not name.startswith("_")]
    return unique(function for module in modules for function in tasks_of(module))


def unique(functions: Iterable[TaskFunction[Any, Any]]) -> list[TaskFunction[Any, Any]]:
    """Return task functions by name, each once; raises TypeError where two serve one task type."""
    found: dict[str, TaskFunction[Any, Any]] = {}
    for function in functions:
        if found.setdefault(function.name, function) is not function:
            raise TypeError(f"two functions serve the task type {function.name}")
    return [found[name] for name in sorted(found)]
