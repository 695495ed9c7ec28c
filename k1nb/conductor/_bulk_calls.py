"""Interventions in many executions at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k1nb.conductor._connection import Connection, flag

LARGEST = 1000
"""Executions that the server takes at once. Source: Conductor 3.32.1, which answers 400 to more."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of each execution of an intervention."""

    done: tuple[str, ...] = ()
    """Ids of those that the server has taken, in the order in which they were given."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Of the others the reason, in the server's own words."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able data."""
        return {"done": list(self.done), "refused": dict(self.refused)}


class BulkCalls(Connection):
    """One intervention in many executions; what is refused of one does not keep back the others."""

    def pause_many(self, ids: Iterable[str]) -> Bulk:
        """Let executions begin no further task."""
        return self._bulk("pause many", ids)

    def resume_many(self, ids: Iterable[str]) -> Bulk:
        """Let paused executions go on."""
        return self._bulk("resume many", ids)

    def terminate_many(self, ids: Iterable[str], reason: str) -> Bulk:
        """End executions as TERMINATED; those that have ended stay as they are, and count as done."""
        return self._bulk("terminate many", ids, reason=reason)

    def retry_many(self, ids: Iterable[str]) -> Bulk:
        """Continue failed executions from their failed tasks; a failed sub-workflow is begun anew."""
        return self._bulk("retry many", ids)

    def restart_many(self, ids: Iterable[str], *, newest_definition: bool = False) -> Bulk:
        """Begin executions that have ended again from their first tasks."""
        return self._bulk("restart many", ids, useLatestDefinitions=flag(newest_definition))

    def _bulk(self, call: str, ids: Iterable[str], **params: str) -> Bulk:
        wanted = list(dict.fromkeys(ids))
        done: set[str] = set()
        refused: dict[str, str] = {}
        for first in range(0, len(wanted), LARGEST):
            answer = self._object(call, json=wanted[first : first + LARGEST], params=params)
            done |= set(answer.get("bulkSuccessfulResults") or ())
            refused |= answer.get("bulkErrorResults") or {}
        return Bulk(
            tuple(one for one in wanted if one in done), {one: refused[one] for one in wanted if one in refused}
        )
