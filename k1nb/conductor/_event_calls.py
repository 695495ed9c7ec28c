"""Event handlers: what the server does by itself when something is told to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from k1nb.conductor._connection import FOREIGN, Connection
from k1nb.errors import ConductorNotFound, ConductorRefused


@dataclass(frozen=True, slots=True)
class EventHandler:
    """What is done at an event."""

    name: str
    event: str
    """Where it comes from, such as `conductor:WORKFLOW:SINK`."""
    actions: Sequence[Mapping[str, Any]]
    """As Conductor writes them: start_workflow, complete_task, fail_task …"""
    condition: str = ""
    active: bool = True

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EventHandler:
        """Read the server's JSON; raises KeyError where it is no event handler."""
        return cls(
            name=data["name"],
            event=data["event"],
            actions=tuple(data.get("actions") or ()),
            condition=data.get("condition") or "",
            active=bool(data.get("active")),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the handler as JSON-able data, as the server has it."""
        return {
            "name": self.name,
            "event": self.event,
            "actions": [dict(action) for action in self.actions],
            "condition": self.condition or None,
            "active": self.active,
        }


class EventCalls(Connection):
    """What is asked of event handlers and registered."""

    def event_handlers(self) -> list[EventHandler]:
        """Return every event handler on the server."""
        items = self._objects("event handlers")
        try:
            return [EventHandler.from_json(item) for item in items]
        except KeyError as error:
            raise ConductorRefused(
                f"{self.url} gave something that is no event handler: {error}", status=200, hint=FOREIGN
            ) from error

    def add_event_handler(self, handler: EventHandler) -> None:
        """Register an event handler; one of a name that is taken is a ConductorRefused."""
        self._call("add event handler", json=handler.as_dict())

    def update_event_handler(self, handler: EventHandler) -> None:
        """Replace an event handler; one that is not there is a ConductorNotFound."""
        with _by_name():
            self._call("update event handler", json=handler.as_dict())

    def remove_event_handler(self, name: str) -> None:
        """Remove an event handler; one that is not there is a ConductorNotFound."""
        with _by_name():
            self._call("remove event handler", name=name)


@contextmanager
def _by_name() -> Iterator[None]:
    """Turn the way in which the server says 404 here into the error for it."""
    try:
        yield
    except ConductorRefused as error:
        if error.status != 500 or "not found" not in error.message:
            raise
        raise ConductorNotFound(error.message, status=404, hint="check the name") from error
