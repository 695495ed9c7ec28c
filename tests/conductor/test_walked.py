"""No branch of a shipped workflow is left that the tests of this folder have not gone on a real server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k1nb.conductor import Conductor, load
from tests.conductor.hand import Hand, Way


def test_every_branch_of_every_definition_was_walked(conductor: Conductor) -> None:  # noqa: ARG001 - in its group
    """Each case of each SWITCH, its default included, was taken by an execution; run the folder as a whole for this."""
    shipped = load().workflows
    wanted = {way for definition in shipped.values() for way in _ways(definition["name"], definition["tasks"])}
    gone = {(_shipped(name, {n for n, _ in shipped}), switch, case) for name, switch, case in Hand.gone}
    assert sorted(wanted - gone) == []


def _shipped(name: str, names: Iterable[str]) -> str:
    """Return the shipped name of a copy, which ends with a suffix of its own."""
    return max((one for one in names if name == one or name.startswith(f"{one}-")), key=len, default=name)


def _ways(name: str, tasks: Iterable[Mapping[str, Any]]) -> Iterator[Way]:
    for task in tasks:
        if task["type"] == "SWITCH":
            cases = {**task["decisionCases"], "": task.get("defaultCase", [])}
            for case, branch in cases.items():
                yield name, task["taskReferenceName"], case
                yield from _ways(name, branch)
        for branch in task.get("forkTasks", []):
            yield from _ways(name, branch)
        yield from _ways(name, task.get("loopOver", []))
