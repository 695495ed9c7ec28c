"""The Conductor routes that we use, typed, by noun; task routes for workers are in `_task_client`."""

from __future__ import annotations

from k1nb.conductor._bulk_calls import BulkCalls
from k1nb.conductor._definition_calls import DefinitionCalls
from k1nb.conductor._event_calls import EventCalls
from k1nb.conductor._execution_calls import ExecutionCalls
from k1nb.conductor._queue_calls import QueueCalls
from k1nb.conductor._schedule_calls import ScheduleCalls


class Conductor(ExecutionCalls, BulkCalls, DefinitionCalls, QueueCalls, ScheduleCalls, EventCalls):
    """Synchronous client of one server; use it as a context manager, or close it.

    What it may send, and what of that again, stands in `_calls`; what every call raises, at `Connection`.
    """

    def healthy(self) -> bool:
        """Tell whether the server calls itself healthy; that proves only that HTTP answers."""
        return bool(self._object("health").get("healthy"))

    def version(self) -> str:
        """Return the server's own version, such as 3.32.1."""
        return self._call("version").text.strip()
