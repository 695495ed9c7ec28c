"""Event handlers, on a real Conductor server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k1nb.conductor import Conductor, EventHandler
from k1nb.errors import ConductorNotFound, ConductorRefused
from tests.conductor.builders import unique


def a_handler(name: str) -> EventHandler:
    """Return an inactive event handler that starts a workflow."""
    start = {"action": "start_workflow", "start_workflow": {"name": "nobody"}, "expandInlineJSON": False}
    return EventHandler(name, f"conductor:{name}:done", (start,), condition="$.ok == true", active=False)


def _find(conductor: Conductor, name: str) -> EventHandler | None:
    return next((handler for handler in conductor.event_handlers() if handler.name == name), None)


def test_a_handler_is_added_changed_and_removed(conductor: Conductor) -> None:
    """An event handler is there as it was given, then as it was changed, then gone."""
    handler = a_handler(unique("event-"))
    conductor.add_event_handler(handler)
    found = _find(conductor, handler.name)
    assert found is not None
    assert replace(found, actions=()) == replace(handler, actions=())
    assert found.actions[0]["action"] == "start_workflow"
    conductor.update_event_handler(replace(handler, condition="", active=True))
    changed = _find(conductor, handler.name)
    assert changed is not None
    assert (changed.condition, changed.active) == ("", True)
    conductor.remove_event_handler(handler.name)
    assert _find(conductor, handler.name) is None


def test_a_name_is_taken_once(conductor: Conductor) -> None:
    """A second handler of the same name is refused, in the server's words."""
    handler = a_handler(unique("event-"))
    conductor.add_event_handler(handler)
    with pytest.raises(ConductorRefused, match="already exists"):
        conductor.add_event_handler(handler)
    conductor.remove_event_handler(handler.name)


def test_a_handler_that_is_not_there_is_said_so(conductor: Conductor) -> None:
    """Changing and removing what is not there is a ConductorNotFound that names it."""
    handler = a_handler(unique("event-"))
    with pytest.raises(ConductorNotFound, match=handler.name):
        conductor.update_event_handler(handler)
    with pytest.raises(ConductorNotFound, match=handler.name):
        conductor.remove_event_handler(handler.name)


def test_a_handler_without_actions_is_refused(conductor: Conductor) -> None:
    """A handler that would do nothing is refused, in the server's words."""
    with pytest.raises(ConductorRefused, match="No actions specified"):
        conductor.add_event_handler(replace(a_handler(unique("event-")), actions=()))
