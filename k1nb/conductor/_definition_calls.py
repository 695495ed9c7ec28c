"""Definitions, as the server has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k1nb.conductor._connection import Connection, flag


class DefinitionCalls(Connection):
    """What is asked of definitions and registered."""

    def task_definitions(self) -> list[dict[str, Any]]:
        """Return every task definition on the server."""
        return self._objects("task definitions")

    def workflow_definitions(self) -> list[dict[str, Any]]:
        """Return every version of every workflow definition on the server."""
        return self._objects("workflow definitions")

    def workflow_names(self) -> list[str]:
        """Return the names of the workflows that are defined."""
        return sorted(self._object("workflow names"))

    def put_task_definitions(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Register task definitions, all or none; those that are there are replaced."""
        self._call("put task definitions", json=[dict(definition) for definition in definitions])

    def put_workflow_definition(self, definition: Mapping[str, Any], *, overwrite: bool = True) -> None:
        """Register one workflow definition; without `overwrite` one that is there is refused."""
        self._call("put workflow definition", json=dict(definition), params={"overwrite": flag(overwrite)})
