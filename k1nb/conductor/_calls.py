"""Every request that the client may send, and whether it may be sent again when its answer was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """One route of the server."""

    method: Method
    route: str
    """Its parts in braces are filled in, escaped."""
    repeatable: bool
    """Whether a second sending leaves the server as the first one did, and is answered as the first one was."""
    why: str = ""
    """Why not, or why it is although it writes; what only reads needs no reason."""


_READS = {
    "health": "/health",
    "version": "/version",
    "execution": "/workflow/{id}",
    "running": "/workflow/running/{name}",
    "workflow names": "/metadata/workflow/names-and-versions",
    "search": "/workflow/search-v2",
    "task search": "/tasks/search-v2",
    "task definitions": "/metadata/taskdefs",
    "workflow definitions": "/metadata/workflow",
    "queue sizes": "/tasks/queue/all",
    "poll data": "/tasks/queue/polldata/all",
    "poll data of a type": "/tasks/queue/polldata",
    "task log": "/tasks/{id}/log",
    "schedules": "/scheduler/schedules",
    "schedule": "/scheduler/schedules/{name}",
    "next runs": "/scheduler/nextFewSchedules",
    "schedule starts": "/scheduler/search/executions",
    "event handlers": "/event",
}
_TWICE = "a second one begins the work again"
_PUT = "the second one puts the same in the same place"
_ENDED = "what has ended stays ended, for the first reason"
_REFUSED = "the second one is refused, as if the first had been"
_WRITES = {
    "correlated": Call("POST", "/workflow/{name}/correlated", True, "it only reads"),
    "start": Call("POST", "/workflow", False, "each one starts an execution; ask `running` by its correlationId first"),
    "terminate": Call("DELETE", "/workflow/{id}", True, _ENDED),
    "pause": Call("PUT", "/workflow/{id}/pause", True, "what is paused stays paused"),
    "resume": Call("PUT", "/workflow/{id}/resume", False, _REFUSED),
    "retry": Call("POST", "/workflow/{id}/retry", False, _TWICE),
    "restart": Call("POST", "/workflow/{id}/restart", False, _TWICE),
    "rerun": Call("POST", "/workflow/{id}/rerun", False, _TWICE),
    "skip": Call("PUT", "/workflow/{id}/skiptask/{reference}", False, _REFUSED),
    "decide": Call("PUT", "/workflow/decide/{id}", True, "the server looks, and does only what is due"),
    "remove": Call("DELETE", "/workflow/{id}/remove", False, "the second one does not find it"),
    "answer": Call("POST", "/tasks/{id}/{reference}/COMPLETED", False, "the second one may meet another answer"),
    "pause many": Call("PUT", "/workflow/bulk/pause", True, "what is paused stays paused"),
    "resume many": Call("PUT", "/workflow/bulk/resume", False, _REFUSED),
    "terminate many": Call("POST", "/workflow/bulk/terminate", True, _ENDED),
    "retry many": Call("POST", "/workflow/bulk/retry", False, _TWICE),
    "restart many": Call("POST", "/workflow/bulk/restart", False, _TWICE),
    "put task definitions": Call("POST", "/metadata/taskdefs", True, _PUT),
    "put workflow definition": Call("POST", "/metadata/workflow", True, f"{_PUT}; without overwrite it is refused"),
    "requeue": Call("POST", "/tasks/queue/requeue/{type}", False, "each one hands running tasks out once more"),
    "put schedule": Call("POST", "/scheduler/schedules", True, _PUT),
    "pause schedule": Call("PUT", "/scheduler/schedules/{name}/pause", True, "what is paused stays paused"),
    "resume schedule": Call("PUT", "/scheduler/schedules/{name}/resume", False, _REFUSED),
    "remove schedule": Call("DELETE", "/scheduler/schedules/{name}", True, "what is not there is not missed"),
    "add event handler": Call("POST", "/event", False, _REFUSED),
    "update event handler": Call("PUT", "/event", True, _PUT),
    "remove event handler": Call("DELETE", "/event/{name}", False, _REFUSED),
}
CALLS: Mapping[str, Call] = {name: Call("GET", route, True) for name, route in _READS.items()} | _WRITES
"""By name; seen on Conductor 3.32.1. The workers' routes are not here: `TaskClient` repeats nothing by itself."""
